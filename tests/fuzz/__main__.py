"""`python -m tests.fuzz [COUNT]`: sends a hook what nobody should, and counts the answers."""

import asyncio
import logging
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bridge.local.valkey import EmbeddedValkey
from tests.fuzz.judge import fuzz


@click.command()
@click.argument("count", type=click.IntRange(min=1), default=10_000)
def main(count: int) -> None:
    """Send COUNT requests; fail at the first answer that is not as the document says."""
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # as the bridge does
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        valkey = EmbeddedValkey(Path(folder))
        runner.run(valkey.start())
        try:
            seen = fuzz(valkey.url, count)
        finally:
            runner.run(valkey.stop())
    click.echo(f"{seen.total()} requests, none answered 5xx, nothing stored that was refused")
    for status, number in sorted(seen.items()):
        click.echo(f"{status} {HTTPStatus(status).phrase:24} {number:6}")


if __name__ == "__main__":
    main()
