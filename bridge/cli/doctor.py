"""`n8n-bridge doctor`: what is wrong with the set-up, and how to mend it."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from bridge.authoring.diagnosis.doctor import counted, diagnose
from bridge.authoring.diagnosis.observations import Level, Observation
from bridge.authoring.diagnosis.setup import Setup
from bridge.cli.output import print_json

COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red", Level.SKIPPED: "blue"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One document of JSON, for programs.")
@click.pass_context
def doctor_command(ctx: click.Context, *, as_json: bool) -> None:
    """Look at Redis, n8n, port, tokens and Claude Code, and say how to mend what is wrong.

    Changes nothing. Exit status 1 when there is an error.
    """
    # What is in the way of a check is said by the check itself.
    logging.getLogger("bridge").setLevel(logging.CRITICAL)
    seen = asyncio.run(_examine(ctx.obj, shows=not as_json))
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


async def _examine(environ: Mapping[str, str], *, shows: bool) -> list[Observation]:
    setup = Setup.of(environ, Path.home(), Path.cwd())
    seen = []
    async for each in diagnose(setup):
        seen.append(each)
        if shows:
            click.echo(line_of(each))
    return seen


def line_of(seen: Observation) -> str:
    """Write an observation on one line."""
    level = click.style(f"{seen.severity:<8}", fg=COLOURS[seen.severity])
    remedy = f": {seen.remedy}" if seen.remedy else ""
    return " ".join(f"{level} {seen.subject}: {seen.sentence}{remedy}".splitlines())
