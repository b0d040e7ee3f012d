"""A token has no more `take_event` wait than it may, and hears when to ask again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.apps import RunningApp, running_app
from tests.doors.by_hand import Modern
from tests.doors.scoped import DESK, send, told
from tests.waiting import takers_in_line, wait_until


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, DESK, principal_takers_max=1) as app:
        yield app


async def test_one_take_event_too_many_is_a_tool_error_that_says_when_to_come_back(
    door: RunningApp,
) -> None:
    alice = Modern(door.client, "/mcp/desk", next(iter(DESK.tokens)).value.get_secret_value())
    first = asyncio.create_task(told(alice, "take_event", wait_seconds=4))
    await wait_until(lambda: takers_in_line(door.runtime.redis), "the first waits")

    refused = (await told(alice, "take_event", wait_seconds=4))["result"]
    at_once = (await told(alice, "take_event"))["result"]
    event_id = await send(door.runtime, "letters")

    assert refused["isError"] is True
    said = refused["content"][0]["text"]
    assert said.startswith("1 take_event of this token wait already, as many as may: ask again in ")
    assert "4 s" in said
    assert at_once["structuredContent"] == {"event_id": None}
    assert (await first)["result"]["structuredContent"]["event_id"] == event_id
