"""`check`: what is wrong with server files, in the form that its reader wants."""

from pathlib import Path

import click

from bridge.authoring.checking.check import RULES, check, errors
from bridge.authoring.checking.formats import FORMATS
from bridge.configuration.settings import servers_dir_of

TEXT = "text"


@click.command("check")
@click.argument("path", required=False, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default=TEXT,
    show_default=True,
    help="For people, programs, code scanning, or GitHub's annotations.",
)
@click.pass_context
def check_command(ctx: click.Context, path: Path | None, form: str) -> None:
    """Check server files, by default those of BRIDGE_SERVERS."""
    found = check(path or servers_dir_of(ctx.obj), ctx.obj)
    for line in FORMATS[form](found, RULES):
        click.echo(line, err=form == TEXT)
    if errors(found):
        ctx.exit(1)
    if form == TEXT:
        click.echo("no faults found")
