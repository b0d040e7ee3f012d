"""No principal has more of a workflow than its share over all workers, and none delays another."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from bridge.standin.seen import Seen
from tests.bridge_processes import SERVER, TOKEN, Bridge, label_of, running_bridge, server_file
from tests.claude import Spread, claude
from tests.journeys import end_of, start_call
from tests.process.test_concurrency import most_at_once
from tests.waiting import wait_until

BOB_TOKEN = "the-token-of-bob"
SHORT_S, FOREVER_S = 0.8, 60.0
AT_ONCE = 2


@asynccontextmanager
async def shared(
    folder: Path, *, workers: int = 2, **workflow: Any
) -> AsyncIterator[tuple[Bridge, Client, Client]]:
    """Run a bridge whose workflow `shared` gives each principal a share; Alice and Bob use it.

    Each has a web process of their own.
    """
    file = server_file("http://127.0.0.1:1")["workflows"]["once"]
    changes: dict[str, Any] = {
        "tokens": [
            {"name": "alice", "token": "env:PROOF_TOKEN"},
            {"name": "bob", "token": "env:PROOF_BOB_TOKEN"},
        ],
        "workflows": {
            "shared": {
                **file,
                "url": "${BRIDGE_N8N_URL}/webhook/slow-tool",
                "per": {"principal": {"concurrency": AT_ONCE}},
                **workflow,
            }
        },
    }
    settings = {"PROOF_BOB_TOKEN": BOB_TOKEN}
    async with (
        running_bridge(folder, changes, webs=2, workers=workers, **settings) as bridge,
        client_at(bridge, 0, TOKEN) as alice,
        client_at(bridge, 1, BOB_TOKEN) as bob,
    ):
        yield bridge, alice, bob


@asynccontextmanager
async def client_at(bridge: Bridge, web: int, token: str) -> AsyncIterator[Client]:
    origin = bridge.webs[web].url
    async with claude(SERVER, token, "2026-07-28", Spread([origin]), origin) as client:
        yield client


async def start(client: Client, name: str, count: int, seconds: float = 0.0) -> list[str]:
    return [await start_call(client, "shared", f"{name} {n}", seconds) for n in range(count)]


def runs_of(bridge: Bridge, name: str) -> list[Seen]:
    return [run for run in bridge.runs() if str(label_of(run)).startswith(f"{name} ")]


async def ends(client: Client, calls: list[str]) -> set[str]:
    ended = await asyncio.gather(*(end_of(client, call_id) for call_id in calls))
    return {call["status"] for call in ended}


async def test_a_principal_at_its_limit_delays_no_other_though_the_workflow_has_one_slot_left(
    tmp_path: Path,
) -> None:
    async with shared(tmp_path, concurrency=AT_ONCE + 1) as (bridge, alice, bob):
        await start(alice, "alice", 30, FOREVER_S)
        await wait_until(lambda: len(runs_of(bridge, "alice")) == AT_ONCE, "Alice is at her limit")

        assert await ends(bob, await start(bob, "bob", 5)) == {"succeeded"}
        assert len(runs_of(bridge, "alice")) == AT_ONCE


async def test_each_principal_has_its_share_over_all_workers_and_no_more(tmp_path: Path) -> None:
    async with shared(tmp_path) as (bridge, alice, bob):
        started = await asyncio.gather(
            start(alice, "alice", 8, SHORT_S), start(bob, "bob", 8, SHORT_S)
        )
        ended = await asyncio.gather(*map(ends, (alice, bob), started))

        assert ended == [{"succeeded"}] * 2
        assert [most_at_once(runs_of(bridge, name)) for name in ("alice", "bob")] == [AT_ONCE] * 2


async def test_a_rate_is_each_principals_own_and_outlives_the_worker(tmp_path: Path) -> None:
    share = {"principal": {"rate": "2/h"}}
    async with shared(tmp_path, workers=1, per=share) as (bridge, alice, bob):
        calls = await start(alice, "alice", 5)
        assert await ends(alice, calls[:2]) == {"succeeded"}
        bridge.workers[0].kill()
        await bridge.workers[0].ended()
        await asyncio.gather(bridge.add_worker(), bridge.add_worker())

        assert await ends(bob, await start(bob, "bob", 2)) == {"succeeded"}
        assert len(runs_of(bridge, "alice")) == 2


@pytest.mark.parametrize("annotations", [{}, {"idempotent": True}])
async def test_a_killed_worker_gives_the_places_of_its_principals_back(
    tmp_path: Path, annotations: dict[str, bool]
) -> None:
    async with shared(tmp_path, workers=1, annotations=annotations) as (bridge, alice, bob):
        held = await start(alice, "alice", AT_ONCE, 3.0) + await start(bob, "bob", 1, 3.0)
        await wait_until(lambda: len(bridge.runs()) == len(held), "n8n runs as many as may")
        waiting = await start(alice, "late", 3)
        await bridge.add_worker()
        bridge.workers[0].kill()

        assert await ends(alice, waiting) == {"succeeded"}
        assert await ends(alice, held[:AT_ONCE]) == {"succeeded" if annotations else "failed"}


async def test_a_worker_that_dies_between_its_place_and_the_request_keeps_no_place(
    tmp_path: Path,
) -> None:
    async with shared(tmp_path, workers=0, per={"principal": {"concurrency": 1}}) as opened:
        bridge, alice, _ = opened
        worker = await bridge.add_worker("call-leased")
        calls = await start(alice, "alice", 3)
        assert await worker.ended() == -signal.SIGKILL
        await bridge.add_worker()

        assert await ends(alice, calls) == {"succeeded"}
        assert most_at_once(runs_of(bridge, "alice")) == 1
