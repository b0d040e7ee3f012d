"""`make hosts`: the programs people reach the bridge with, on every wire, through every journey.

BRIDGE_TEST_CLIENTS names the folder that holds their commands.
"""

import asyncio
import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from tests.hosts.host import HostError
from tests.hosts.journeys import JOURNEYS
from tests.hosts.matrix import HOSTS, WIRES, Seen, Travels, Way, every_way

CLIENTS = "BRIDGE_TEST_CLIENTS"
MISSING = (
    f"{CLIENTS} must name the folder that holds the commands `claude` and `mcp-inspector`: after "
    "`npm install @anthropic-ai/claude-code @modelcontextprotocol/inspector`, node_modules/.bin."
)


@click.command()
@click.option("--host", "hosts", multiple=True, type=click.Choice(HOSTS))
@click.option("--wire", "wires", multiple=True, type=click.Choice(WIRES))
@click.option("--journey", "journeys", multiple=True, type=click.Choice(list(JOURNEYS)))
@click.option("--call-s", default=40.0, show_default=True, help="How long a long call takes.")
@click.option("--at-once", default=3, show_default=True, help="How many are tried side by side.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep what all programs said here.")
def main(
    hosts: Sequence[str],
    wires: Sequence[str],
    journeys: Sequence[str],
    call_s: float,
    at_once: int,
    keep: Path | None,
) -> None:
    """Try hosts on wires through journeys, all or those named; exit with 1 if any went wrong."""
    ways = [way for way in known_ways() if is_in(way.host, hosts) and is_in(way.wire, wires)]
    wanted = [name for name in JOURNEYS if is_in(name, journeys)]
    legs = [(way, name) for name in wanted for way in ways if name in way.journeys]
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hosts-")))
        folder.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=folder / "python-sdk.txt")
        seen = asyncio.run(try_all(Travels(call_s, folder), legs, at_once))
    click.echo(table(seen))
    sys.exit(any(each.is_fault for each in seen))


def known_ways() -> Sequence[Way]:
    """Return every way there is; without the clients the program ends here, and says why."""
    clients = os.environ.get(CLIENTS)
    try:
        if clients:
            return tuple(every_way(Path(clients)))
        click.echo(MISSING, err=True)
    except HostError as error:
        click.echo(f"{error}. {MISSING}", err=True)
    sys.exit(2)


def is_in(name: str, wanted: Sequence[str]) -> bool:
    """Report whether something was asked for; who names nothing asks for all."""
    return not wanted or name in wanted


async def try_all(travels: Travels, legs: Sequence[tuple[Way, str]], at_once: int) -> list[Seen]:
    """Try everything, a few at a time, telling of each as it ends."""
    room = asyncio.Semaphore(at_once)

    async def try_one(way: Way, journey: str) -> Seen:
        async with room:
            seen = await travels.go(way, journey)
            click.echo(told(seen))
            return seen

    return await asyncio.gather(*(try_one(way, journey) for way, journey in legs))


def told(seen: Seen) -> str:
    """Report how one journey went."""
    return (
        f"{mark(seen):<6}{seen.way.host:<13}{seen.way.wire:<11}{seen.journey:<17}"
        f"{seen.took_s:>4.0f} s  {seen.line}"
    )


def mark(seen: Seen) -> str:
    """Report in a word whether it went well."""
    return "FAULT" if seen.is_fault else "ok"


def table(seen: Sequence[Seen]) -> str:
    """Set what was seen out as ways by journeys."""
    journeys = list(dict.fromkeys(each.journey for each in seen))
    lines = ["", "".join([f"{'':<24}", *(f"{name:<17}" for name in journeys)])]
    for way in dict.fromkeys(each.way for each in seen):
        marks = {
            each.journey: "FAULT" if each.is_fault else "ok" for each in seen if each.way == way
        }
        cells = "".join(f"{marks.get(name, '-'):<17}" for name in journeys)
        lines.append(f"{way.host:<13}{way.wire:<11}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
