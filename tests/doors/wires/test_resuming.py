"""Streams of the 2025 wires outlive their connections: one reader, nothing lost, nothing twice."""

from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from redis.asyncio import Redis

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from bridge.store.keys import PREFIX
from bridge.verbs.sessions import STANDING
from tests.claude import Spread, sentence
from tests.conformance.endpoint import NAME as FIXTURES
from tests.doors.by_hand import (
    Session,
    answering,
    call,
    events,
    frames,
    messages,
    open_session,
)
from tests.waiting import wait_until

# Logs are deprecated, and still a client's to hear.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

QUESTION = "Who are you?"
ANSWER = {"username": "alice", "email": "alice@example.org"}


# One reader


async def test_a_stream_has_one_reader_and_that_is_the_newest(
    session: Session, other_web: str
) -> None:
    """Source: MCP 2025-11-25, "Multiple Connections": no message goes out on two streams."""
    async with session.listen() as older:
        stream = events(older)
        await anext(stream)
        async with session.at(f"{other_web}/mcp/desk").listen() as newer:
            await anext(events(newer))
            assert [event async for event in stream if not event.comment] == []


async def test_what_is_said_twice_is_heard_twice(fixtures: Session) -> None:
    async with fixtures.listen() as standing:
        told = messages(standing)
        for number in (1, 2):
            async with fixtures.stream(call("aside", number)) as answer:
                assert [event async for event in messages(answer)]
        heard = [await anext(told), await anext(told)]
    assert heard[0].data == heard[1].data
    assert heard[0].id != heard[1].id


async def test_what_has_surely_arrived_is_not_said_again(
    fixtures: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.mcp.wires.stream_reader.SURE_AFTER_S", 0.1)
    async with fixtures.listen() as standing:
        told = messages(standing)
        async with fixtures.stream(call("aside")) as answer:
            assert [event async for event in messages(answer)]
        arrived = (await anext(told)).id
        async with Redis.from_url(settings.redis_url or "") as redis:
            await wait_until(lambda: sure_place(redis, fixtures), "the arrival")
    async with fixtures.listen() as standing:
        stream = events(standing)
        primed = await anext(stream)
        later = [(await anext(stream)).comment for _ in range(2)]
    assert primed.id == arrived
    assert later == ["keepalive", "keepalive"]


async def sure_place(redis: Redis, session: Session) -> bool:
    """Report whether anything on the standing stream is known to have arrived."""
    record = f"{PREFIX}session:{session.session_id}"
    return await redis.hget(record, f"sure:{STANDING}") is not None


# Resuming


async def test_a_broken_stream_goes_on_at_another_process_where_it_broke(
    fixtures: Session, other_web: str
) -> None:
    elsewhere = fixtures.at(f"{other_web}/mcp/{FIXTURES}")
    async with fixtures.stream(call("test_elicitation", 8, message=QUESTION)) as answer:
        asked = await anext(messages(answer))
    await elsewhere.post(answering(asked, ANSWER))
    async with elsewhere.listen(asked.id) as resumed:
        told = [event.message async for event in messages(resumed)]
    assert [message["id"] for message in told] == [8]


async def test_a_frame_is_kept_before_it_is_written(fixtures: Session, other_web: str) -> None:
    elsewhere = fixtures.at(f"{other_web}/mcp/{FIXTURES}")
    async with fixtures.stream(call("test_elicitation", message=QUESTION)) as answer:
        stream = frames(answer)
        primed, asked = await anext(stream), await anext(stream)
        async with elsewhere.listen(primed.id) as resumed:
            assert await anext(messages(resumed)) == asked


async def test_a_finished_stream_can_be_read_again_from_any_place(fixtures: Session) -> None:
    async with fixtures.stream(call("test_tool_with_logging")) as answer:
        told = [event async for event in frames(answer)]
    for position, place in enumerate(told[:-1]):
        async with fixtures.listen(place.id) as resumed:
            assert [event async for event in messages(resumed)] == told[position + 1 :]


async def test_a_long_stream_is_read_again_without_a_pause(
    web: str, app: BridgeApp, fixtures: Session
) -> None:
    outbox = app.runtime.stores.sessions.outbox
    for number in range(200):
        frame = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":%d}}' % number
        await outbox.append(fixtures.session_id, "long", frame, is_last=number == 199)
    async with fixtures.listen("long/0-0") as resumed:
        told = [event async for event in events(resumed)]
    assert [event for event in told if event.comment] == []
    assert len(told) == 201


async def test_another_sessions_stream_is_no_stream(
    web: str, http: httpx2.AsyncClient, fixtures: Session
) -> None:
    async with fixtures.stream(call("test_simple_text")) as answer:
        place = (await anext(events(answer))).id
    other = await open_session(http, f"{web}/mcp/{FIXTURES}")
    assert await refusal(other, place or "") == await refusal(other, "unheard-of/0-0")


async def test_a_stream_whose_frames_are_gone_is_refused_and_its_session_goes_on(
    session: Session, settings: Settings
) -> None:
    async with session.stream(call("list_calls")) as answer:
        place = [event.id async for event in events(answer)][-1] or ""
    async with Redis.from_url(settings.redis_url or "") as redis:
        await redis.delete(f"{PREFIX}outbox:{session.session_id}:{place.partition('/')[0]}")
    assert await refusal(session, place) == await refusal(session, "unheard-of/0-0")
    assert (await session.post(call("list_calls", 2))).status_code == 200


async def test_a_stream_that_says_nothing_yet_is_not_gone(session: Session, other_web: str) -> None:
    async with session.stream(call("take_event", wait_seconds=1)) as answer:
        place = (await anext(events(answer))).id
    async with session.at(f"{other_web}/mcp/desk").listen(place) as resumed:
        told = [event.message async for event in messages(resumed)]
    assert [message["id"] for message in told] == [1]


async def test_a_stream_that_was_read_to_its_end_ends_at_once(session: Session) -> None:
    async with session.stream(call("list_calls")) as answer:
        place = [event.id async for event in events(answer)][-1]
    async with session.listen(place) as resumed:
        assert [event.data async for event in events(resumed)] == [""]


async def refusal(session: Session, place: str) -> str:
    """Try to resume at a place where that cannot be; returns the sentence."""
    headers = session.headers | {"last-event-id": place}
    answer = await session.http.get(session.url, headers=headers)
    assert answer.status_code == 400
    sentence: str = answer.json()["error"]["message"]
    return sentence


@pytest.mark.parametrize("place", ["x", "a/b", "a/1-1/2-2", "a:b/1-1", "a/1", "/", f"a/{2**64}-0"])
async def test_a_place_that_is_none_is_refused(session: Session, place: str) -> None:
    headers = session.headers | {"last-event-id": place}
    assert (await session.http.get(session.url, headers=headers)).status_code == 400


async def test_a_client_comes_back_to_a_stream_that_was_closed_on_it(
    web: str, other_web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source: MCP 2025-11-25, SEP-1699; each request of this client goes to another process."""
    monkeypatch.setattr("bridge.mcp.wires.stream_reader.COME_BACK_MS", 100)
    heard: list[object] = []

    async def hear(params: Any) -> None:
        heard.append(params.data)

    async with httpx2.AsyncClient(transport=Spread([web, other_web]), timeout=20) as http:
        transport = streamable_http_client(f"{web}/mcp/{FIXTURES}", http_client=http)
        async with Client(transport, mode="legacy", logging_callback=hear) as client:
            result = await client.call_tool("test_reconnection", {})
    assert sentence(result) == "Told on the resumed stream."
    assert heard == ["Before the stream is closed", "After the stream was closed"]
