"""`make stdio`: calls over stdio by clients that are killed at random, and an account of them."""

import asyncio
import os
import secrets
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click

from tests.chaos.report import PAGE, write
from tests.stdio.report import NAME, ledger_lines
from tests.stdio.storm import FULL, storm


@click.command()
@click.option("--write", "is_written", is_flag=True, help="Put the ledger into the docs.")
def main(*, is_written: bool) -> None:
    """Make STDIO_CALLS calls with the seed STDIO_SEED; status 1 when a promise was broken."""
    seed = os.environ.get("STDIO_SEED") or secrets.token_hex(4)
    calls = int(os.environ.get("STDIO_CALLS") or FULL.calls)
    click.echo(f"STDIO_SEED={seed} STDIO_CALLS={calls}")
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bridge-stdio-") as folder:
        book = asyncio.run(storm(Path(folder), seed, replace(FULL, calls=calls)))
    lines = list(ledger_lines(book, seed, time.monotonic() - began_at))
    click.echo("\n".join(lines))
    for fault in ("lost", "twice", "wrong", "torn", "bad_ends"):
        for name in getattr(book, fault):
            click.echo(f"{fault}: {name}", err=True)
    if is_written:
        write(lines, NAME)
        click.echo(f"written: {PAGE.name}")
    sys.exit(0 if book.is_good else 1)


if __name__ == "__main__":
    main()
