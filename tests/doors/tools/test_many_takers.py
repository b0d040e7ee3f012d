"""Many who wait: what they cost, and how many of them one token may have."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator

import httpx2
import pytest

from bridge.mcp.wires import stream_reader
from bridge.runtime import Runtime
from bridge.store.signals import Signals
from bridge.verbs.sessions import Notice
from tests.apps import RunningApp, running_app
from tests.doors.by_hand import (
    Event,
    Modern,
    answer_on,
    call,
    events,
    open_pipe,
    open_session,
    request,
    shake_hands,
)
from tests.doors.scoped import DESK, send, told
from tests.waiting import commands, takers_in_line, wait_until

STREAMS, KEEPALIVES = 10, 10


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, DESK, principal_takers_max=1) as app:
        yield app


async def test_one_take_event_too_many_is_a_tool_error_that_says_when_to_come_back(
    door: RunningApp,
) -> None:
    alice = Modern(door.client, "/mcp/desk", next(iter(DESK.tokens)).value.get_secret_value())
    first = asyncio.create_task(told(alice, "take_event", wait_seconds=60))
    await wait_until(lambda: takers_in_line(door.runtime.redis), "the first waits")

    refused = (await told(alice, "take_event", wait_seconds=4))["result"]
    at_once = (await told(alice, "take_event"))["result"]
    event_id = await send(door.runtime, "letters")

    assert refused["isError"] is True
    said = refused["content"][0]["text"]
    assert said.startswith("1 take_event of this token wait already, as many as may: ask again in ")
    assert 20 < int(re.findall(r"again in (\d+) s", said)[0]) <= 60
    assert at_once["structuredContent"] == {"event_id": None}
    assert (await first)["result"]["structuredContent"]["event_id"] == event_id


async def test_streams_that_wait_over_sessions_cost_redis_nothing_at_their_keepalives(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    redis = runtime.redis

    async def all_stand_in_line() -> bool:
        return await takers_in_line(redis) == 2 * STREAMS

    streams: list[AsyncGenerator[Event, None]] = []
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(STREAMS):
            pipe = await stack.enter_async_context(open_pipe(http, web))
            await shake_hands(pipe)
            await pipe.post(call("take_event", 1, wait_seconds=60))
            session = await open_session(http, f"{web}/mcp-2025/desk")
            wait = session.stream(call("take_event", 2, wait_seconds=60))
            answer = await stack.enter_async_context(wait)
            streams.append(await stack.enter_async_context(contextlib.aclosing(events(answer))))
        await wait_until(all_stand_in_line, "all stand in line")
        for _ in range(2):
            await anext(streams[-1])
        before = await commands(redis)
        for _ in range(KEEPALIVES):
            assert (await anext(streams[-1])).comment == "keepalive"
        spent = await commands(redis) - before

    assert spent < KEEPALIVES * STREAMS


async def test_a_stream_whose_wakes_were_all_lost_finds_its_answer_when_it_looks_again(
    web: str, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_reader, "LOOK_WITHIN_S", 0.2)
    notify_here = Signals.notify_here

    def lose_all_but_keepalives(signals: Signals, name: str) -> None:
        if name.startswith(Notice.KEEPALIVE):
            notify_here(signals, name)

    async with open_pipe(http, web) as pipe:
        await shake_hands(pipe)
        monkeypatch.setattr(Signals, "notify_here", lose_all_but_keepalives)
        await pipe.post(request("ping", 41))
        assert (await answer_on(pipe.stream))["id"] == 41
