"""A store that is killed or away loses nothing it has accepted, and nobody is taken for dead."""

import asyncio
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client

from tests.bridge_processes import Bridge, running_bridge
from tests.claude import use
from tests.journeys import end_of, start_call
from tests.waiting import wait_until

SENDERS = 8
TRIES, RETRY_PAUSE_S = 5, 1.0  # n8n's Retry On Fail, with its default pause
KILLS, BETWEEN_KILLS = 2, 100

AWAY_S = 15.0
START_S = 30.0
CALLS = 200
FROZEN_S = range(2, 12)


class Senders:
    """Executions of n8n that send one payload after the other, each with a key of its own."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._numbers = itertools.count()
        self.accepted: dict[int, str] = {}

    async def send_until(self, stop: asyncio.Event) -> None:
        """Send until told to stop; a payload that is given up fails the test."""
        while not stop.is_set():
            number = next(self._numbers)
            self.accepted[number] = await self._send(number)

    async def get_through(self, count: int) -> None:
        """Wait until so many more payloads were accepted."""
        goal = len(self.accepted) + count
        await wait_until(lambda: len(self.accepted) >= goal, "events came in", 20)

    async def _send(self, number: int) -> str:
        for _ in range(TRIES):
            try:
                answer = await self._bridge.send({"number": number}, key=f"key-{number}")
            except httpx2.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                event_id: str = answer.json()["event_id"]
                return event_id
            await asyncio.sleep(RETRY_PAUSE_S)
        raise AssertionError(f"payload {number} was refused {TRIES} times")


async def queued_events(client: Client) -> AsyncIterator[dict[str, Any]]:
    """List every queued event."""
    cursor: dict[str, str] = {}
    while True:
        page = await use(client, "list_events", limit=100, **cursor)
        for event in page["events"]:
            yield event
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


async def test_a_store_killed_under_load_keeps_every_event_it_accepted_once(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, webs=2) as bridge:
        senders, stop = Senders(bridge), asyncio.Event()
        async with bridge.claude() as client, asyncio.TaskGroup() as group:
            calls = [await start_call(client, "once", f"{n}", 4) for n in range(20)]
            for _ in range(SENDERS):
                group.create_task(senders.send_until(stop))
            for _ in range(KILLS):
                await senders.get_through(BETWEEN_KILLS)
                await bridge.kill_store()
                await bridge.valkey.start()
            await senders.get_through(BETWEEN_KILLS)
            stop.set()
        async with bridge.claude() as client:
            listed = {
                event["event_id"]: json.loads(event["summary"])["number"]
                async for event in queued_events(client)
            }
            ended = [await end_of(client, call_id) for call_id in calls]
        assert listed == {event_id: number for number, event_id in senders.accepted.items()}
        assert {call["status"] for call in ended} == {"succeeded"}
        assert len(bridge.runs()) == len(calls)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_200_calls_outlive_a_store_that_is_away_for_15_seconds(tmp_path: Path) -> None:
    async with (
        running_bridge(tmp_path) as bridge,
        bridge.claude("2026-07-28") as modern,
        bridge.claude("legacy") as legacy,
    ):
        for client in (modern, legacy):
            await client.list_tools()  # results are checked by it; asked for later, it may be away
        labels = [f"{n}" for n in range(CALLS)]
        durations = itertools.cycle(range(5, 20))  # some end while the store is away, some after
        clients = itertools.cycle((modern, legacy))
        async with asyncio.TaskGroup() as group:
            waiting = [
                group.create_task(use(client, "inline", label=label, seconds=seconds))
                for label, client, seconds in zip(labels, clients, durations, strict=False)
            ]
            await wait_until(lambda: len(bridge.runs()) == CALLS, "n8n has every call", START_S)
            await bridge.kill_store()
            await asyncio.sleep(AWAY_S)
            await bridge.valkey.start()
        assert [task.result()["label"] for task in waiting] == labels
        assert len(bridge.runs()) == CALLS


async def test_a_store_that_freezes_for_longer_than_a_process_may_is_no_death(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path) as bridge, bridge.claude("legacy") as client:
        async with asyncio.TaskGroup() as group:
            waiting = [
                group.create_task(use(client, "inline", label=f"{n}", seconds=n)) for n in FROZEN_S
            ]
            await wait_until(lambda: len(bridge.runs()) == len(FROZEN_S), "n8n has every call")
            store_pid = await bridge.store_pid()
            os.kill(store_pid, signal.SIGSTOP)
            await asyncio.sleep(len(FROZEN_S))
            os.kill(store_pid, signal.SIGCONT)
        assert [task.result()["label"] for task in waiting] == [f"{n}" for n in FROZEN_S]
        assert len(bridge.runs()) == len(FROZEN_S)
