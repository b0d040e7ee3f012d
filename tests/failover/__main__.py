"""`python -m tests.failover`: replaces the primary of Redis fifty times, and accounts for all."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import click

from tests.bench.machine import machine
from tests.chaos.ledger import Ledger
from tests.chaos.report import PAGE, rows, write
from tests.chaos.scale import Scale
from tests.failover.rounds import Failovers, silences
from tests.failover.stage import staged

COUNT = 50
SCALE = Scale(clients=1, takers=3, senders=4, fault_gap_s=(1, 1), work_s=2.0)
DOWN_AFTER_MS = 2000
LEDGER = "failover ledger"


@click.command()
@click.option("--write", "is_written", is_flag=True, help="Put the ledger into the docs.")
def failover(*, is_written: bool) -> None:
    """Run FAILOVERS with the seed FAILOVER_SEED; status 1 when a promise was broken.

    What the processes log is kept in FAILOVER_FOLDER, if one is named.
    """
    seed = os.environ.get("FAILOVER_SEED") or secrets.token_hex(4)
    count = int(os.environ.get("FAILOVERS") or COUNT)
    click.echo(f"FAILOVER_SEED={seed} FAILOVERS={count}")
    with tempfile.TemporaryDirectory(prefix="bridge-failover-") as temporary:
        kept = Path(os.environ.get("FAILOVER_FOLDER") or temporary)
        kept.mkdir(exist_ok=True)
        ledger, took = asyncio.run(_run(kept, seed, count))
    lines = list(_lines(ledger, took, seed))
    click.echo("\n".join(lines))
    for fault, names in (("lost", ledger.lost), ("twice", ledger.twice), ("wrong", ledger.wrong)):
        for name in names:
            click.echo("\n  ".join([f"{fault}: {name}", *ledger.story(name)]), err=True)
    for name, times in sorted(ledger.book.dropped.items()):
        click.echo(f"made again: {name} {times}", err=True)
    if is_written:
        write(lines, LEDGER)
        click.echo(f"written: {PAGE.name}")
    sys.exit(0 if ledger.is_good else 1)


async def _run(folder: Path, seed: str, count: int) -> tuple[Ledger, list[tuple[str, float]]]:
    async with staged(folder, seed, SCALE, down_after_ms=DOWN_AFTER_MS, periods_ms={}) as (
        raised,
        group,
    ):
        failovers = Failovers(group, raised.book, count)
        await raised.go_through(failovers.run())
        ledger = await raised.ledger()
        return ledger, silences(ledger, failovers.struck)


def _lines(ledger: Ledger, took: list[tuple[str, float]], seed: str) -> Iterator[str]:
    yield (
        f"`FAILOVER_SEED={seed} FAILOVERS={len(took)} make failover`, "
        f"{datetime.now(UTC).date()}, {machine()}."
    )
    yield from ("", "| | calls | events |", "|---|---:|---:|")
    yield from (f"| {name} | {calls} | {events} |" for name, calls, events in rows(ledger))
    dropped = sum(ledger.book.dropped.values())
    yield from ("", f"Requests that got no answer, or a 503, and were made again: {dropped}.")
    yield from ("", "| failover | times | stands still, median | longest |", "|---|---:|---:|---:|")
    for way in dict.fromkeys(way for way, _ in took):
        spans = [seconds for each, seconds in took if each == way]
        yield f"| {way} | {len(spans)} | {median(spans):.1f} s | {max(spans):.1f} s |"


if __name__ == "__main__":
    failover()
