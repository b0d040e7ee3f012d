"""`python -m tests.chaos`: torments a bridge for minutes, and accounts for all it has accepted."""

import asyncio
import os
import secrets
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.ledger import Ledger
from tests.chaos.report import PAGE, ledger_lines, write
from tests.chaos.rolling import Restarts, roll
from tests.chaos.scale import FULL, NOBODY
from tests.chaos.storm import storm

SECONDS = 300.0
SLOWEST = 5
ROUNDS = 5
"""Rolling restarts of two web processes and two workers: 20 in all."""


@click.command()
@click.option("--write", "is_written", is_flag=True, help="Put the ledger into the docs.")
def chaos(*, is_written: bool) -> None:
    """Run for CHAOS_SECONDS with the seed CHAOS_SEED; status 1 when a promise was broken.

    What the processes log is kept in CHAOS_FOLDER, if one is named.
    """
    seed = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
    seconds = float(os.environ.get("CHAOS_SECONDS") or SECONDS)
    command = f"CHAOS_SEED={seed} CHAOS_SECONDS={seconds:g} make chaos"
    click.echo(command)
    with tempfile.TemporaryDirectory(prefix="bridge-chaos-") as temporary:
        kept = Path(os.environ.get("CHAOS_FOLDER") or temporary)
        kept.mkdir(exist_ok=True)
        ledger = asyncio.run(_run(kept, seed, seconds))
    with tempfile.TemporaryDirectory(prefix="bridge-chaos-") as folder:
        rolled = asyncio.run(_roll(Path(folder), seed))
    lines = [*ledger_lines(ledger, command), "", rolled.sentence]
    click.echo("\n".join(lines))
    for fault, names in (
        ("lost", ledger.lost),
        ("twice", ledger.twice),
        ("wrong", ledger.wrong),
        ("rolling", rolled.failures),
    ):
        for name in names:
            click.echo("\n  ".join([f"{fault}: {name}", *ledger.story(name)]), err=True)
    for name, count in sorted(ledger.book.dropped.items()):
        click.echo(f"made again: {name} {count}", err=True)
    for call in sorted(ledger.calls, key=lambda call: -call.took_s)[:SLOWEST]:
        click.echo(f"slow: {call}", err=True)
    if is_written:
        write(lines)
        click.echo(f"written: {PAGE.name}")
    sys.exit(0 if ledger.is_good and not rolled.failures else 1)


async def _run(folder: Path, seed: str, seconds: float) -> Ledger:
    async with storm(folder, seed, FULL) as raised:
        await raised.rage(seconds)
        return await raised.ledger()


async def _roll(folder: Path, seed: str) -> Restarts:
    async with storm(folder, seed, NOBODY) as quiet:
        try:
            return await roll(quiet, ROUNDS, FULL.clients)
        except ExceptionGroup as error:  # the official client ends so when a connection is reset
            return Restarts(failures=[f"a client ended: {error!r}"])


if __name__ == "__main__":
    chaos()
