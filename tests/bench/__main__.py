"""`python -m tests.bench [ROW …]`: measures; with --write also puts the rows on the page."""

import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace

import click
import uvloop

from tests.bench import (
    call,
    costs,
    crowd,
    durable,
    growth,
    idle,
    ingest,
    lists,
    primary,
    real_n8n,
    records,
    start,
    streams,
    takers,
    waiting,
)
from tests.bench.figures import Row
from tests.bench.report import PAGE, section, write_page
from tests.bench.results import merge_results, result
from tests.bench.scale import FULL, MILLION, SHORT, Scale

ROWS: Mapping[str, Callable[[Scale], Coroutine[None, None, Row]]] = {
    "ingest": ingest.measure,
    "webs": ingest.measure_webs,
    "call": call.measure,
    "durable": durable.measure,
    "n8n": real_n8n.measure,
    "lists": lists.measure,
    "streams": streams.measure,
    "idle": idle.measure,
    "takers": takers.measure,
    "waiting": waiting.measure,
    "crowd": crowd.measure,
    "start": start.measure,
    "growth": growth.measure,
    "records": records.measure,
    "primary": primary.measure,
    "costs": costs.measure,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--runs", type=click.IntRange(min=1), help="How often each row is measured.")
@click.option("--stalled", type=click.IntRange(min=0), help="How many streams of `idle` stall.")
@click.option("--million", is_flag=True, help="Have `growth` go on to a million events.")
@click.option("--short", is_flag=True, help="A look at whether it works; the numbers mean little.")
@click.option("--write", is_flag=True, help="Put the rows into docs/performance.json and the page.")
@click.option("--page", is_flag=True, help="Only write the page anew from what was measured.")
def bench(
    names: tuple[str, ...],
    runs: int | None,
    stalled: int | None,
    *,
    million: bool,
    short: bool,
    write: bool,
    page: bool,
) -> None:
    """Measure the rows named; without a name all, which also writes the page."""
    scale = SHORT if short else FULL
    scale = replace(scale, rounds=runs or scale.rounds)
    if stalled is not None:
        scale = replace(scale, stalled=stalled)
    if million:
        scale = replace(scale, queued=MILLION)
    write = write or not (names or short or page)
    wanted = () if page else names or all_rows()
    failed = [name for name in wanted if not _is_measured(name, scale, write=write)]
    if write or page:
        write_page(ROWS)
        click.echo(f"written: {PAGE}")
    sys.exit(bool(failed))


def all_rows() -> list[str]:
    """Name the rows that can be measured here."""
    return [name for name in ROWS if name != "n8n" or real_n8n.URL]


def _is_measured(name: str, scale: Scale, *, write: bool) -> bool:
    """Measure a row and show it; one that fails does not take the others along."""
    try:
        row = uvloop.run(ROWS[name](scale))
    except Exception:  # noqa: BLE001 - whatever it is, it is shown
        traceback.print_exc()
        return False
    click.echo("\n".join(section(row)))
    if write:
        merge_results({name: result(row, _command(), scale.rounds)})
    return True


def _command() -> str:
    return " ".join(["python -m tests.bench", *sys.argv[1:]])


if __name__ == "__main__":
    bench()
