"""Cancelling ends the waiting: a call that was sent runs on, and its result is kept."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.doors.by_hand import call, messages, notification, open_session
from tests.doors.workshop import NAME, Workshop, open_workshop
from tests.waiting import wait_until

SAW = call("saw", 6, seconds=1, label="oak")


@pytest.fixture
async def workshop(redis_url: str) -> AsyncIterator[Workshop]:
    async with open_workshop(redis_url) as opened:
        yield opened


async def assert_runs_on(workshop: Workshop) -> None:
    """See that the one call of alice ends well, and that n8n was asked once."""
    client = workshop.client(takes_tasks=False)

    async def has_succeeded() -> bool:
        listed = (await client.post(call("list_calls"))).json()["result"]["structuredContent"]
        assert {each["status"] for each in listed["calls"]} <= {"running", "succeeded"}
        return [each["status"] for each in listed["calls"]] == ["succeeded"]

    await wait_until(has_succeeded, "the call has succeeded")
    assert len(workshop.n8n.seen.of()) == 1


async def test_a_cancelled_request_of_2025_leaves_its_call_running(workshop: Workshop) -> None:
    session = await open_session(workshop.http, f"{workshop.origin}/mcp-2025/{NAME}")
    elsewhere = session.at(f"{workshop.other_origin}/mcp-2025/{NAME}")
    async with session.stream(SAW) as answer:
        await workshop.sent()
        await elsewhere.post(notification("notifications/cancelled", requestId=6))
        told = [event.message async for event in messages(answer)]
    assert told[-1]["error"]["code"] == -32800
    await assert_runs_on(workshop)


async def test_a_request_of_2026_that_is_broken_off_leaves_its_call_running(
    workshop: Workshop,
) -> None:
    asking = asyncio.ensure_future(workshop.client(takes_tasks=False).post(SAW))
    await workshop.sent()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await assert_runs_on(workshop)
