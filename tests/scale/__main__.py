"""`python -m tests.scale`: shows the tables of docs/scale.md; with --write puts them there."""

import click

from tests.bench.program import ROOT
from tests.scale.tables import TABLES, with_tables

PAGE = ROOT / "docs" / "scale.md"


@click.command()
@click.option("--write", is_flag=True, help="Put the tables on the page.")
def scale(*, write: bool) -> None:
    """Simulate, from what docs/performance.json says was measured."""
    if write:
        PAGE.write_text(with_tables(PAGE.read_text()))
        click.echo(f"written: {PAGE}")
        return
    for name, table in TABLES.items():
        head, lines = table()
        click.echo(name)
        for cells in (head, *lines):
            click.echo("  " + " | ".join(cells))


if __name__ == "__main__":
    scale()
