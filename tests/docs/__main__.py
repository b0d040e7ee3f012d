"""`python -m tests.docs [serve]`: builds the documentation's site into `build/docs`."""

import subprocess
import sys
import time

import click
import watchfiles

from tests.docs.pages import ROOT, pages
from tests.docs.site import BUILD, DocsError, build, lay_out


@click.command()
@click.argument("what", type=click.Choice(["build", "serve"]), default="build")
@click.option("--address", default="127.0.0.1:8000", help="Where to serve it.")
def main(what: str, address: str) -> None:
    """Build the site; with `serve`, go on to show it, and what is changed at once."""
    started_at = time.monotonic()
    try:
        site = build()
    except DocsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{site}: {len(pages())} pages in {time.monotonic() - started_at:.1f} s")
    if what == "serve":
        _serve(address)


def _serve(address: str) -> None:
    config = ("--config-file", str(BUILD / "zensical.toml"))
    command = [sys.executable, "-m", "zensical", "serve", *config, "--dev-addr", address]
    with subprocess.Popen(command) as server:
        click.echo(f"http://{address}")
        try:
            for _ in watchfiles.watch(ROOT / "README.md", ROOT / "docs", ROOT / "config"):
                try:
                    lay_out()
                except DocsError as error:
                    click.echo(error, err=True)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
