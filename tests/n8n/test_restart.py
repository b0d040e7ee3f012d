"""n8n is restarted under load: nothing is lost, and what n8n itself dropped is named as such."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from redis.asyncio import Redis

from tests.bridge_processes import Bridge
from tests.claude import use
from tests.n8n.real import HOOK_TOKEN, RealN8n, at, bridge_to
from tests.waiting import wait_until

RESTART = os.environ.get("BRIDGE_TEST_N8N_RESTART", "")
MANY = 200
SHORT_S, LONG_S = 60, 90
"""Waits from 65 s on n8n keeps in its database; a shorter one dies with it."""

LATE_S = 180.0
DROPPED = "n8n itself stopped while the workflow ran and dropped the execution"
AT_ONCE = f"result: execution\n    concurrency: {MANY}\n    attach: false\n    answer_inline_for: 0"

pytestmark = [
    pytest.mark.real_n8n,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not RESTART, reason="BRIDGE_TEST_N8N_RESTART names no command"),
]


async def test_a_restart_of_n8n_loses_none_of_many_questions_and_calls(
    n8n: RealN8n,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    folder = tmp_path_factory.mktemp("bridge")
    async with bridge_to(folder, **{"result: execution": AT_ONCE}) as bridge, at(bridge) as client:
        asks = await n8n.install("ask-claude.json", bridge)
        tool = await n8n.install("tool-that-is-followed.json", bridge)
        asking = [asyncio.create_task(ask(n8n)) for _ in range(MANY)]
        await wait_until(lambda: all_asked(client), "every question is in the inbox", LATE_S)
        seconds = [SHORT_S, LONG_S] * (MANY // 2)
        calls = await asyncio.gather(*(start(client, each) for each in seconds))
        await wait_until(lambda: all_known(bridge, calls), "n8n runs every call", LATE_S)
        # Before they are parked, a restart drops these too, and n8n forgets who asked.
        await wait_until(lambda: are_parked(n8n, asks, MANY), "all that ask are parked", LATE_S)
        await wait_until(lambda: are_parked(n8n, tool, MANY // 2), "half the calls are", LATE_S)

        await restart()

        questions = [await answer_one(client) for _ in range(MANY)]
        ends = [await end_of(client, call_id) for call_id in calls]
        dropped = await dropped_by_n8n(n8n, asks)

        async def are_answered() -> bool:
            return await delivered(bridge, questions) == MANY - dropped

        await wait_until(are_answered, "all that n8n has not dropped are answered", LATE_S)
        await asyncio.gather(*asking)
    said = Counter(how(call) for call in ends)
    record_property("questions", {"delivered": MANY - dropped, "dropped by n8n": dropped})
    record_property("calls", dict(said))
    assert set(said) <= {"succeeded", DROPPED}


async def ask(n8n: RealN8n) -> None:
    """Start an execution that asks; what n8n would answer to it dies with its connection."""
    try:
        await n8n.post("bridge/ask", {"question": "?"})
    except httpx2.TransportError:
        return


async def restart() -> None:
    """Have n8n restarted as the environment says."""
    process = await asyncio.create_subprocess_shell(RESTART)
    assert await process.wait() == 0


async def start(client: Client, seconds: int) -> str:
    """Start a call that is followed; returns its id."""
    handle = await use(client, "tool_that_is_followed", seconds=seconds)
    call_id: str = handle["call_id"]
    return call_id


async def end_of(client: Client, call_id: str) -> dict[str, Any]:
    """Wait for the end of a call, however long n8n takes."""
    while True:
        call = await use(client, "read_call", call_id=call_id, wait_seconds=60)
        if call["status"] not in ("queued", "running"):
            return call


def how(call: dict[str, Any]) -> str:
    """Report how a call ended, in the words that count."""
    return DROPPED if DROPPED in call.get("failure", "") else call.get("failure", call["status"])


async def answer_one(client: Client) -> str:
    """Take a question and answer it; returns its event's id."""
    taken = await use(client, "take_event", hook="question", wait_seconds=60)
    claim = {"event_id": taken["event_id"], "lease": taken["lease"]}
    await use(client, "reply_to_event", **claim, reply={"answer": "!"})
    event_id: str = taken["event_id"]
    return event_id


async def are_parked(n8n: RealN8n, workflow_id: str, count: int) -> bool:
    """Report whether n8n keeps so many executions of a workflow in its database."""
    path = f"/executions?workflowId={workflow_id}&status=waiting&limit=250"
    return len((await n8n.api("GET", path))["data"]) >= count


async def all_asked(client: Client) -> bool:
    """Report whether every question has come."""
    found, more = 0, dict[str, str]()
    while True:
        page = await use(client, "list_events", hook="question", limit=100, **more)
        found += len(page["events"])
        if page["next_cursor"] is None:
            return found == MANY
        more = {"cursor": page["next_cursor"]}


async def all_known(bridge: Bridge, calls: list[str]) -> bool:
    """Report whether n8n has told the execution of every call."""
    async with Redis.from_url(bridge.valkey.url, decode_responses=True) as redis:
        told = [await redis.hget(f"{{bridge}}:call:{call_id}", "execution") for call_id in calls]
    return all(told)


async def dropped_by_n8n(n8n: RealN8n, workflow_id: str) -> int:
    """Count the executions that n8n says itself it will not go on with."""
    path = f"/executions?workflowId={workflow_id}&status=crashed&limit=250"
    return len((await n8n.api("GET", path))["data"])


async def delivered(bridge: Bridge, questions: list[str]) -> int:
    """Count the replies that have resumed their executions."""
    headers = {"authorization": f"Bearer {HOOK_TOKEN}"}
    count = 0
    for event_id in questions:
        url = f"{bridge.webs[0].url}/events/{event_id}"
        event = (await bridge.http.get(url, headers=headers)).raise_for_status().json()
        count += event["reply"]["status"] == "delivered"
    return count
