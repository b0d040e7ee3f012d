"""`python -m tests.bench.check [GROUP …]`: fails if a unit of work costs more than it did."""

import sys
from collections.abc import Mapping

import click
import uvloop

from tests.bench.counting import Counts
from tests.bench.limits import excesses, lowered, read_limits, write_limits
from tests.bench.units import GROUPS


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(GROUPS)))
@click.option("--lower", is_flag=True, help="Write what has fallen into the table.")
def check(names: tuple[str, ...], *, lower: bool) -> None:
    """Count all units of work, or those of the groups named."""
    limits = read_limits()
    counts: dict[str, dict[str, float]] = {}
    for name in names or GROUPS:
        for unit, measures in uvloop.run(count_group(name)).items():
            counts.setdefault(unit, {}).update(measures)
    for unit, measures in sorted(counts.items()):
        for measure, count in measures.items():
            most = limits.get(unit, {}).get(measure, "-")
            click.echo(f"{unit:18} {measure:16} {count:10g}   at most {most}")
    if lower:
        write_limits(lowered(counts, limits))
    faults = list(excesses(counts, read_limits()))
    for fault in faults:
        click.echo(fault, err=True)
    sys.exit(bool(faults))


async def count_group(name: str) -> Mapping[str, Counts]:
    """Count a group; once more if something is above its limit, for chance only adds."""
    counts = await GROUPS[name]()
    if not list(excesses(counts, read_limits())):
        return counts
    again = await GROUPS[name]()
    return {
        unit: {measure: min(count, again[unit][measure]) for measure, count in measures.items()}
        for unit, measures in counts.items()
    }


if __name__ == "__main__":
    check()
