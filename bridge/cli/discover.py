"""`n8n-bridge discover`: a server file from the workflows that n8n has published."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from bridge.authoring.discovery.discover import Known, Look, Target, api_of, look
from bridge.authoring.discovery.tools import TAG, Choice
from bridge.cli.options import duration
from bridge.configuration.settings import servers_dir_of
from bridge.errors import ConfigurationError, PermanentError, TransientError
from bridge.n8n.api import N8nApi

EVERY = "10s"


@click.command("discover")
@click.option("--server", default="n8n", show_default=True, help="The server's name.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The server file to keep.  [BRIDGE_SERVERS/SERVER.yaml]",
)
@click.option("--tag", default=TAG, show_default=True, help="Workflows with this tag of n8n's.")
@click.option("--all", "takes_all", is_flag=True, help="All published workflows.")
@click.option("--pinned", is_flag=True, help="Guess what is taken from pinned data, too.")
@click.option("--prune", is_flag=True, help="Take tools out whose webhook n8n has no more.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--watch", is_flag=True, help="Keep the file in step until Ctrl-C; prunes.")
@click.option("--every", callback=duration, default=EVERY, show_default=True, help="With --watch.")
@click.pass_context
def discover_command(ctx: click.Context, /, server: str, file: Path | None, **asked: Any) -> None:
    """Make tools of published n8n workflows that have a Webhook node.

    Chosen are those with the tag, and those that n8n's own MCP may use. Shows a diff before it
    writes; without a terminal and --yes it only shows it, and exit status 1 says that the file is
    not in step.
    """
    path = file or servers_dir_of(ctx.obj) / f"{server}.yaml"
    if path.suffix not in (".yaml", ".yml"):
        raise click.BadParameter("must end with .yaml, for comments", param_hint="--file")
    choice = Choice(asked["tag"], takes_all=asked["takes_all"], reads_pinned=asked["pinned"])
    target = Target(path, server, asked["prune"] or asked["watch"])
    if asked["watch"]:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_watch(ctx.obj, choice, target, asked["every"]))
    elif not asyncio.run(_once(ctx.obj, choice, target, writes=asked["yes"])):
        ctx.exit(1)


async def _once(
    environ: Mapping[str, str], choice: Choice, target: Target, *, writes: bool
) -> bool:
    """Look once, and write when asked to; False when the file is left out of step."""
    async with api_of(environ) as api:
        seen = await look(api, choice, target, environ)
    _tell(seen, choice)
    if not seen.change.diff:
        if seen.found.tools:
            click.echo(f"{target.path} is in step with n8n")
        return True
    click.echo(seen.change.diff, nl=False)
    for warning in seen.warnings:
        click.echo(f"{warning} (a warning)", err=True)
    for name in seen.missing(environ):
        click.echo(f"set {name} in the environment or in .env before a start", err=True)
    if not (writes or (sys.stdin.isatty() and click.confirm(f"Write {target.path}?"))):
        click.echo("nothing was written: --yes writes it", err=True)
        return False
    seen.change.write()
    click.echo(f"wrote {target.path}")
    return True


def _tell(seen: Look, choice: Choice) -> None:
    for passed in seen.found.passed_over:
        click.echo(f"{passed.workflow}: left out, for {passed.why}", err=True)
    for name in seen.change.gone:
        click.echo(f"{name}: n8n has no such webhook published now; --prune takes it out", err=True)
    if not seen.found.tools:
        with_tag = f"with the tag {choice.tag}: --all takes all"
        lacking = "with a webhook for a tool" if choice.takes_all else with_tag
        click.echo(f"n8n has no published workflow {lacking}")


async def _watch(
    environ: Mapping[str, str], choice: Choice, target: Target, every_s: float
) -> None:
    said, known = "", Known()
    async with api_of(environ) as api:
        while True:
            try:
                now = await _step(api, environ, choice, target, known)
            except (TransientError, ConfigurationError) as error:
                now = f"{target.path} stays as it is: {error}"
            except PermanentError as error:
                if not said:
                    raise  # a wrong address or key; later it is n8n that has changed
                now = f"{target.path} stays as it is: {error}"
            if now != said:
                click.echo(now)
                said = now
            await asyncio.sleep(every_s)


async def _step(
    api: N8nApi, environ: Mapping[str, str], choice: Choice, target: Target, known: Known
) -> str:
    """Bring the file in step once; returns what there is to say of it."""
    seen = await look(api, choice, target, environ, needs_secrets=True, known=known)
    left = [f"{each.workflow}: left out, for {each.why}" for each in seen.found.passed_over]
    if seen.change.diff:
        seen.change.write()
        return "\n".join((*left, seen.change.diff, f"wrote {target.path}"))
    return "\n".join((*left, f"{target.path} is in step with n8n: {len(seen.found.tools)} tools"))
