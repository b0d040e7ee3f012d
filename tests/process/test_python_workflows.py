"""Workflows in Python on a bridge of real processes: every wire, and whatever is killed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp.client import Client

from tests.bridge_processes import Bridge, Child, running_bridge
from tests.claude import WIRES, Spread, Wire, claude, use
from tests.handlers.desks import FOLDER, KEY

SERVER = "desk"


@contextlib.asynccontextmanager
async def desk_bridge(folder: Path) -> AsyncIterator[Bridge]:
    """Run a bridge that serves the desk alone."""
    async with running_bridge(
        folder,
        BRIDGE_SERVERS=str(FOLDER),
        DESK_KEY=KEY,
        DESK_HOOK_TOKEN="the-token-of-the-hook",
    ) as bridge:
        yield bridge


@contextlib.asynccontextmanager
async def client_of(bridge: Bridge, wire: Wire = "2026-07-28") -> AsyncIterator[Client]:
    """Connect a client to the desk."""
    origin = bridge.webs[0].url
    async with claude(SERVER, "any", wire, Spread([origin]), origin) as client:
        yield client


def printed(worker: Child) -> list[str]:
    """Return what the handlers of a worker have printed."""
    logged = [json.loads(line) for line in worker.log.splitlines() if line.startswith("{")]
    return [line["line"] for line in logged if line["message"] == "handler.output"]


@pytest.mark.parametrize("wires", [WIRES])
async def test_startup_is_called_once_whatever_wires_calls_come_over(
    tmp_path: Path, wires: tuple[Wire, ...]
) -> None:
    async with desk_bridge(tmp_path) as bridge:
        for wire in wires:
            async with client_of(bridge, wire) as client:
                guests = [{"name": f"{wire} {number}"} for number in range(3)]
                greetings = await asyncio.gather(
                    *(use(client, "greet", guest=guest) for guest in guests)
                )
            assert [each["text"] for each in greetings] == [
                f"Hello {guest['name']}. " for guest in guests
            ]
        assert printed(bridge.workers[0]).count("startup") == 1
