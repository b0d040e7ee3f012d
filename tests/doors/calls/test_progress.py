"""Whoever waits for a call hears of it early and often, on every wire."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing

import pytest

from tests.doors.by_hand import (
    Event,
    Message,
    events,
    open_pipe,
    open_session,
    request,
    shake_hands,
)
from tests.doors.workshop import NAME, Workshop, open_workshop

TOKEN = "mine"
EARLY_S, OFTEN_S = 9.0, 15.0


@pytest.fixture
async def workshop(redis_url: str) -> AsyncIterator[Workshop]:
    async with open_workshop(redis_url) as opened:
        yield opened


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have progress told more often than a test would wait for."""
    monkeypatch.setattr("bridge.mcp.workflow_tools.FIRST_S", 0.1)
    monkeypatch.setattr("bridge.mcp.workflow_tools.EVERY_S", 0.1)


def long_call() -> Message:
    """Write a call that outlasts the test, and wants to hear of its progress."""
    arguments = {"seconds": 60}
    meta = {"progressToken": TOKEN}
    return request("tools/call", name="saw", arguments=arguments, _meta=meta)


def stream_of(
    workshop: Workshop, wire: str
) -> AbstractAsyncContextManager[AsyncGenerator[Event, None]]:
    """Make the call on a wire; returns what its client hears from then on."""
    return aclosing(heard_on(workshop, wire))


async def heard_on(workshop: Workshop, wire: str) -> AsyncGenerator[Event, None]:
    if wire == "2026-07-28":
        async with workshop.client(takes_tasks=False).stream(long_call()) as answer:
            async for event in events(answer):
                yield event
    elif wire == "2025-11-25":
        session = await open_session(workshop.http, f"{workshop.origin}/mcp/{NAME}")
        async with session.stream(long_call()) as answer:
            async for event in events(answer):
                yield event
    else:
        async with open_pipe(workshop.http, workshop.origin, f"/sse/{NAME}") as pipe:
            await shake_hands(pipe)
            assert (await pipe.post(long_call())).status_code == 202
            async for event in pipe.stream:
                yield event


def is_progress(event: Event) -> bool:
    return bool(event.data) and event.message["method"] == "notifications/progress"


async def progress(stream: AsyncGenerator[Event, None]) -> Message:
    """Read on to the next progress of the call."""
    async for event in stream:
        if is_progress(event):
            params: Message = event.message["params"]
            assert params["progressToken"] == TOKEN
            return params
    raise AssertionError("the stream ended without progress")


WIRES = ("2026-07-28", "2025-11-25", "2024-11-05")


@pytest.mark.slow
async def test_progress_comes_early_and_at_least_every_15_seconds(workshop: Workshop) -> None:
    """As long as the product takes for it: nothing is made shorter here, and no wire waits alone.

    A stream of the 2026 wire also has a comment early, which tells relays that it is one.
    """
    clock, comments = asyncio.get_running_loop().time, dict[str, float]()

    async def pauses(wire: str) -> list[float]:
        began = before = clock()
        found = list[float]()
        async with stream_of(workshop, wire) as stream:
            async for event in stream:
                if event.comment is not None:
                    comments.setdefault(wire, clock() - began)
                if is_progress(event):
                    found.append(clock() - before)
                    before = clock()
                if len(found) == 2:
                    break
        return found

    async with asyncio.timeout(EARLY_S + OFTEN_S):
        for first_s, second_s in await asyncio.gather(*map(pauses, WIRES)):
            assert first_s < EARLY_S
            assert second_s < OFTEN_S
    assert comments["2026-07-28"] < EARLY_S


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize("wire", WIRES)
async def test_the_first_progress_tells_how_long_it_has_been(workshop: Workshop, wire: str) -> None:
    async with stream_of(workshop, wire) as stream:
        told = await progress(stream)
    assert told["progress"] > 0
    assert "s so far" in told["message"]


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize("wire", WIRES)
async def test_progress_goes_on_and_never_back(workshop: Workshop, wire: str) -> None:
    async with stream_of(workshop, wire) as stream:
        told = [(await progress(stream))["progress"] for _ in range(5)]
    assert all(earlier < later for earlier, later in itertools.pairwise(told))


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize("wire", WIRES)
async def test_what_the_workflow_reports_of_itself_is_told(workshop: Workshop, wire: str) -> None:
    async with stream_of(workshop, wire) as stream:
        await progress(stream)
        await workshop.report(0.4, "the second log")
        said = (await progress(stream))["message"]
        while "40%" not in said:
            said = (await progress(stream))["message"]
    assert "the second log" in said


@pytest.mark.usefixtures("_hurried")
async def test_progress_does_not_silence_the_comments_beside_it(redis_url: str) -> None:
    async with open_workshop(redis_url, keepalive_s=0.3) as workshop:
        for wire in WIRES:
            async with stream_of(workshop, wire) as stream:
                comments = 0
                while comments < 2:
                    comments += (await anext(stream)).comment is not None
