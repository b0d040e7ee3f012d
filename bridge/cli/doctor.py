"""`n8n-bridge doctor`: what is wrong with the set-up, and how to mend it."""

import asyncio
import logging
import shutil
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path

import click

from bridge.authoring.diagnosis.doctor import counted, diagnose
from bridge.authoring.diagnosis.setup import Setup
from bridge.cli.addresses import bridge_address
from bridge.cli.output import print_json
from bridge.diagnosis.observations import Level, Observation

COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red", Level.SKIPPED: "blue"}
INDENT = " " * 9
"""The width of the widest level, and a blank."""


@click.command("doctor")
@click.option(
    "--public",
    metavar="URL",
    callback=bridge_address,
    help="Also look, for half a minute, through the address that n8n and Claude reach it by.",
)
@click.option("--silence", is_flag=True, help="Listen there for 120 s, for what cuts that late.")
@click.option("--json", "as_json", is_flag=True, help="One document of JSON, for programs.")
@click.pass_context
def doctor_command(ctx: click.Context, public: str | None, *, silence: bool, as_json: bool) -> None:
    """Look at Redis, n8n, port, tokens and Claude Code, and say how to mend what is wrong.

    Changes nothing. Exit status 1 when there is an error.
    """
    if silence and not public:
        raise click.UsageError("--silence listens through --public URL")
    home = Path(ctx.obj.get("CLAUDE_CONFIG_DIR") or Path.home())
    setup = Setup.of(ctx.obj, home, Path.cwd(), public, waits_long=silence)
    # What is in the way of a check is said by the check itself.
    logging.getLogger("bridge").setLevel(logging.CRITICAL)
    seen = asyncio.run(_examine(setup, shows=not as_json))
    counts = counted(seen)
    if as_json:
        print_json(
            {
                "counts": {str(level): number for level, number in counts.items()},
                "findings": [asdict(each) for each in seen],
            }
        )
    else:
        click.echo(", ".join(f"{number} {level}" for level, number in counts.items()))
    if counts[Level.ERROR]:
        ctx.exit(1)


async def _examine(setup: Setup, *, shows: bool) -> list[Observation]:
    seen = []
    async for each in diagnose(setup):
        seen.append(each)
        if shows:
            click.echo(shown(each))
    return seen


def shown(seen: Observation) -> str:
    """Write an observation: on a terminal a paragraph beside its level, else one line."""
    level = click.style(f"{seen.severity:<8}", fg=COLOURS[seen.severity])
    said, remedy = f"{seen.subject}: {seen.sentence}", f"→ {seen.remedy}" * bool(seen.remedy)
    if not sys.stdout.isatty():
        return " ".join(f"{level} {said} {remedy}".splitlines()).rstrip()
    columns = shutil.get_terminal_size().columns
    text = "\n".join(wrapped(part, columns) for part in (said, remedy) if part)
    return f"{level} {text.removeprefix(INDENT)}"


def wrapped(text: str, columns: int) -> str:
    """Wrap a text beside a level; nothing that somebody may copy is broken."""
    return textwrap.fill(
        text,
        columns,
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
