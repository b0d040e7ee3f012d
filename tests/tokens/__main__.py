"""`python -m tests.tokens [COUNT]`: counts tokens; all 200 conversations write the page anew."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bridge.local.valkey import EmbeddedValkey
from tests.tokens.measuring import measure
from tests.tokens.report import page

FULL = 200
PAGE = Path(__file__).parents[2] / "docs" / "tokens.md"


@click.command()
@click.argument("count", type=click.IntRange(min=2), default=FULL)
def main(count: int) -> None:
    """Lead COUNT conversations in every variant."""
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        valkey = EmbeddedValkey(Path(folder))
        runner.run(valkey.start())
        try:
            measured = runner.run(measure(valkey.url, count))
        finally:
            runner.run(valkey.stop())
    click.echo(page(measured))
    if count == FULL:
        PAGE.write_text(page(measured))
        click.echo("written: docs/tokens.md")


if __name__ == "__main__":
    main()
