"""`make proxies`: runs the bridge behind each reverse proxy that is installed, by its sample."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import click

from tests.proxies.programs import Program, installed
from tests.proxies.trials import rolling, try_all

ROUNDS, CLIENTS = 2, 2


@click.command()
def proxies() -> None:
    """Try those that PROXIES names, or all; status 1 when a promise was broken."""
    named = os.environ.get("PROXIES", "").split()
    programs = [each for each in installed() if not named or each.name in named]
    with tempfile.TemporaryDirectory(prefix="bridge-proxies-") as folder:
        failures = asyncio.run(_run(Path(folder), programs))
    sys.exit(1 if failures else 0)


async def _run(folder: Path, programs: list[Program]) -> int:
    """Return how many promises were broken."""
    broken = 0
    for verdict in await try_all(folder, programs):
        broken += bool(verdict.wrong)
        click.echo(f"{verdict.program}: {verdict.promise}: {verdict.wrong or 'ok'}")
    for program in programs:
        own = folder / f"rolling-{program.name}"
        own.mkdir()
        done = await rolling(own, program, ROUNDS, CLIENTS)
        broken += bool(done.failures)
        click.echo(
            f"{program.name}: {done.restarts} restarts in turn, {done.calls} POSTs and calls: "
            f"{len(done.failures)} failed"
        )
        for failure in done.failures[:10]:
            click.echo(f"  {failure}")
    return broken


if __name__ == "__main__":
    proxies()
