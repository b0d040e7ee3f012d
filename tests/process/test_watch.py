"""`n8n-bridge watch`: a line for each event that waits, from a machine that has only an address."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from bridge.local.ports import free_port
from tests.bridge_processes import SERVER, TOKEN, Bridge, running_bridge
from tests.claude import use
from tests.commands import run
from tests.processes import AS_STARTED, ROOT, Running, running
from tests.serving import serving_any
from tests.waiting import wait_until

VARIABLE = "CLAUDES_TOKEN"
WITHIN_S = 30.0


@pytest.fixture(scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    async with running_bridge(tmp_path_factory.mktemp("watch"), workers=0) as started:
        yield started


@contextlib.asynccontextmanager
async def watching(bridge: Bridge, folder: Path, *options: str) -> AsyncIterator[Running]:
    """Watch the server while the block lasts, in an empty folder."""
    command = ("watch", SERVER, "--url", bridge.webs[0].url, "--token-env", VARIABLE, *options)
    async with running(*command, environ={VARIABLE: TOKEN}, folder=folder) as started:
        yield started


def told(command: Running) -> list[dict[str, Any]]:
    """Return the events that it has printed, without what it said beside them."""
    lines = command.output.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


async def hears_of(command: Running, *event_ids: str) -> None:
    """Wait until these were printed, and see that nothing else was."""
    await wait_until(lambda: len(told(command)) >= len(event_ids), "its line", WITHIN_S)
    assert [line["event_id"] for line in told(command)] == list(event_ids)


async def send(bridge: Bridge) -> str:
    """Send a payload to the hook; returns the id of its event."""
    event_id: str = (await bridge.send({"note": "it"})).json()["event_id"]
    return event_id


def sockets() -> tuple[int, int]:
    """Return the ends of a pair of sockets, which programs of Node have for stdout."""
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


async def take(bridge: Bridge, event_id: str) -> None:
    """Take an event as Claude does."""
    async with bridge.claude() as claude:
        await use(claude, "take_event", event_id=event_id)


async def test_it_prints_what_waits_and_ends_well_when_told(bridge: Bridge, tmp_path: Path) -> None:
    early = await send(bridge)
    for number in (signal.SIGTERM, signal.SIGINT):
        async with watching(bridge, tmp_path, "--hook", "question") as command:
            await hears_of(command, early)
            late = await send(bridge)
            await hears_of(command, early, late)
            command.process.send_signal(number)
            assert await command.ended() == 0
        await take(bridge, late)
    await take(bridge, early)


@pytest.mark.parametrize("make", [os.pipe, sockets], ids=["pipe", "socket"])
async def test_it_ends_when_nobody_reads_it(
    bridge: Bridge, tmp_path: Path, make: Callable[[], tuple[int, int]]
) -> None:
    """A session that was killed leaves it behind, and would be told of what comes next."""
    ours, theirs = make()
    command = (*AS_STARTED, "watch", SERVER, "--url", bridge.webs[0].url, "--token-env", VARIABLE)
    environ = {**os.environ, VARIABLE: TOKEN, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=environ, stdout=theirs
    )
    os.close(theirs)
    try:
        event_id = await send(bridge)
        assert event_id in (await asyncio.to_thread(os.read, ours, 1000)).decode()
        os.close(ours)
        assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    async with watching(bridge, tmp_path) as other:
        await hears_of(other, event_id)
    await take(bridge, event_id)


async def test_what_a_killed_one_was_told_is_told_to_the_next(
    bridge: Bridge, tmp_path: Path
) -> None:
    event_id = await send(bridge)
    for _ in range(3):
        async with watching(bridge, tmp_path) as command:
            await hears_of(command, event_id)
            command.process.kill()
            await command.ended()
    await take(bridge, event_id)


async def test_a_bridge_that_goes_away_is_said_once_and_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    async with (
        running_bridge(tmp_path, workers=0) as bridge,
        watching(bridge, folder) as command,
    ):
        await hears_of(command, await send(bridge))
        first = told(command)[0]["event_id"]
        await take(bridge, first)
        bridge.webs[0].kill()
        await bridge.webs[0].ended()
        await wait_until(lambda: command.has_said("trying again"), "its word", WITHIN_S)
        await bridge.webs[0].start()
        late = await send(bridge)
        await hears_of(command, first, late)
        said = [line for line in command.output.splitlines() if not line.startswith("{")]
        assert len(said) == 2
        assert said[1].endswith("is there again")


async def refused_with(**environ: str) -> str:
    """Run the command with these settings to its end at a fault; returns its line."""
    status, said = await run("watch", SERVER, environ=environ)
    assert status == 1
    return said.strip()


async def refused(*arguments: str, token: str = TOKEN) -> str:
    """Run the command to its end at a fault; returns its line."""
    async with running("watch", *arguments, environ={VARIABLE: token}) as command:
        assert await command.ended() == 1
    (line,) = command.output.splitlines()
    return line


async def test_what_can_never_be_watched_is_one_line(bridge: Bridge) -> None:
    url = ("--url", bridge.webs[0].url)
    token = ("--token-env", VARIABLE)
    assert "no such server" in await refused("nowhere", *url, *token)
    assert 'no hook "x" here; there are: question' in await refused(
        SERVER, *url, *token, "--hook", "x"
    )
    assert "--token-env" in await refused(SERVER, *url)
    assert "the token is refused" in await refused(SERVER, *url, *token, token="wrong")
    assert await refused(SERVER, *url, "--token-env", "UNSET") == (
        f"UNSET is not set: it must hold a token of {SERVER}"
    )
    assert "no header can carry it" in await refused(SERVER, *url, *token, token="ключ")
    unset, wrong = await refused_with(BRIDGE_PUBLIC_URL="nonsense"), "must start with http://"
    assert (unset.startswith("BRIDGE_PUBLIC_URL"), wrong in unset) == (True, True)
    nobody = f"http://127.0.0.1:{free_port()}"
    assert f"nothing answers at {nobody}" in await refused(SERVER, "--url", nobody, *token)


async def test_what_is_no_bridge_is_named_by_what_it_answers() -> None:
    routes = [
        Route("/watch/a", lambda _: RedirectResponse("https://login.example.com/")),
        Route("/watch/b", lambda _: PlainTextResponse("Welcome")),
    ]
    async with serving_any(Starlette(routes=routes)) as url:
        assert "leads to https://login.example.com/" in await refused("a", "--url", url)
        assert re.search("no bridge at .* answers 200", await refused("b", "--url", url))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("ftp://here", "must start with http://"),
        ("", "must start with http://"),
        ("http://here?server=demo", "before any ? or #"),
    ],
)
async def test_a_wrong_address_is_wrong_use(address: str, says: str) -> None:
    status, said = await run("watch", SERVER, "--url", address, environ={})
    assert (status, says in said) == (2, True)


async def test_the_address_that_claude_connects_to_will_do(bridge: Bridge, tmp_path: Path) -> None:
    event_id = await send(bridge)
    url = f"{bridge.webs[0].url}/mcp/{SERVER}"
    async with watching(bridge, tmp_path, "--url", url) as command:
        await hears_of(command, event_id)
    await take(bridge, event_id)


async def test_one_that_nobody_reads_has_no_fault_to_tell(tmp_path: Path) -> None:
    """Else a monitor whose session has gone would start it again for ever."""
    ours, theirs = os.pipe()
    os.close(ours)
    nobody = f"http://127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        *(*AS_STARTED, "watch", SERVER, "--url", nobody),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=theirs,
    )
    os.close(theirs)
    assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0


async def test_it_loads_nothing_that_serves() -> None:
    """A monitor starts it again and again."""
    asking = """
import sys, bridge.cli.watch
print({'mcp', 'redis', 'rich', 'rq', 'starlette', 'uvicorn', 'yaml'}.intersection(sys.modules))
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", asking, stdout=asyncio.subprocess.PIPE
    )
    loaded, _ = await process.communicate()
    assert loaded == b"set()\n"
