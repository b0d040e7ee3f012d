"""`python -m tests.upgrade`: has processes of two versions replace each other for minutes."""

import asyncio
import os
import secrets
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.report import ledger_lines
from tests.upgrade.earlier import COMMIT, unpack
from tests.upgrade.storm import rage

SECONDS = 120.0


@click.command()
def upgrade() -> None:
    """Run for UPGRADE_SECONDS with the seed UPGRADE_SEED; status 1 when a promise was broken."""
    seed = os.environ.get("UPGRADE_SEED") or secrets.token_hex(4)
    seconds = float(os.environ.get("UPGRADE_SECONDS") or SECONDS)
    command = f"UPGRADE_SEED={seed} UPGRADE_SECONDS={seconds:g} make upgrade"
    click.echo(f"The earlier version is {COMMIT}; {command}")
    with tempfile.TemporaryDirectory(prefix="bridge-upgrade-") as made:
        folder = Path(made)
        ledger = asyncio.run(rage(folder, unpack(folder / "earlier"), seed, seconds))
    click.echo("\n".join(ledger_lines(ledger, command)))
    for fault, names in (("lost", ledger.lost), ("twice", ledger.twice), ("wrong", ledger.wrong)):
        for name in names:
            click.echo(f"{fault}: {name}", err=True)
    sys.exit(0 if ledger.is_good else 1)


if __name__ == "__main__":
    upgrade()
