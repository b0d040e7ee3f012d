"""`python -m tests.bench [ROW …]`: measures, and after all rows at full size writes the page."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import click
import uvloop

from tests.bench import call, idle, ingest, streams, waiting
from tests.bench.figures import Row
from tests.bench.program import ROOT
from tests.bench.report import page, section
from tests.bench.scale import FULL, SHORT, Scale

ROWS: Mapping[str, Callable[[Scale], Awaitable[Row]]] = {
    "ingest": ingest.measure,
    "call": call.measure,
    "waiting": waiting.measure,
    "streams": streams.measure,
    "idle": idle.measure,
}
PAGE = ROOT / "docs" / "performance.md"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--runs", type=click.IntRange(min=1), help="How often each row is measured.")
@click.option("--stalled", type=click.IntRange(min=0), help="How many streams of `idle` stall.")
@click.option("--short", is_flag=True, help="A look at whether it works; the numbers mean little.")
def bench(names: tuple[str, ...], runs: int | None, stalled: int | None, *, short: bool) -> None:
    """Measure all rows, or those named."""
    scale = SHORT if short else FULL
    scale = replace(scale, rounds=runs or scale.rounds)
    if stalled is not None:
        scale = replace(scale, stalled=stalled)
    rows = [uvloop.run(_measure(name, scale)) for name in names or ROWS]
    if not names and not short:
        PAGE.write_text(page(rows, _command(), scale.rounds))
        click.echo(f"written: {PAGE.relative_to(ROOT)}")


async def _measure(name: str, scale: Scale) -> Row:
    row = await ROWS[name](scale)
    click.echo("\n".join(section(row)))
    return row


def _command() -> str:
    return " ".join(["python -m tests.bench", *sys.argv[1:]])


if __name__ == "__main__":
    bench()
