"""`python -m tests.soak`: uses a bridge steadily for an hour, and looks at what it holds."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.report import PAGE, write
from tests.soak.chart import PICTURE, chart
from tests.soak.report import NAME, report
from tests.soak.soak import Load, Soak, soaking


@click.command()
@click.option("--seconds", default=3600.0, help="How long.")
@click.option("--events", default=50.0, help="Events a second.")
@click.option("--calls", default=50.0, help="Calls a second.")
@click.option(
    "--write", "is_written", is_flag=True, help="Put the numbers and chart into the docs."
)
def soak(*, seconds: float, events: float, calls: float, is_written: bool) -> None:
    """Run, then tell what became of everything; status 1 when something grew or was lost.

    What the processes log is kept in SOAK_FOLDER, if one is named.
    """
    load = Load(seconds, events, calls)
    with tempfile.TemporaryDirectory(prefix="bridge-soak-") as temporary:
        kept = Path(os.environ.get("SOAK_FOLDER") or temporary)
        kept.mkdir(exist_ok=True)
        done = asyncio.run(_run(kept, load))
    lines = list(report(done))
    click.echo("\n".join(lines))
    faults = list(done.faults())
    for fault in faults:
        click.echo(fault, err=True)
    if is_written:
        PICTURE.write_text(chart(done.samples))
        write(lines, NAME)
        click.echo(f"written: {PAGE.name}, {PICTURE.name}")
    sys.exit(1 if faults else 0)


async def _run(folder: Path, load: Load) -> Soak:
    async with soaking(folder, load) as done:
        await done.run()
        return done


if __name__ == "__main__":
    soak()
