"""A web process that dies over an answer to Claude: whoever comes back gets it, and n8n ran once.

It dies right before or right after the answer's frame is written, or while it waits for the answer.
"""

import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import httpx2
import pytest

from tests.attached import own_result
from tests.bridge_processes import SERVER, TOKEN, Bridge, Child, running_bridge
from tests.doors.by_hand import (
    VERSION_2025,
    Event,
    Message,
    Modern,
    Pipe,
    Session,
    answer_on,
    authorization,
    call,
    events,
    messages,
    open_pipe,
    open_session,
    shake_hands,
)
from tests.fault_points import DOOMED, FRAME_POINTS
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

POINTS = pytest.mark.parametrize("point", FRAME_POINTS)
AT_ONCE_S, STREAMED_S, WAITING_S = 0.2, 5.0, 2.0
"""How long calls take: so short that the 2026 wire needs no stream, so long that it opens one."""


@pytest.fixture(scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """Run a bridge whose first web process lives; those that die are added."""
    async with running_bridge(tmp_path_factory.mktemp("bridge")) as running:
        yield running


async def hear(opened: AbstractAsyncContextManager[httpx2.Response]) -> list[Event]:
    """Read what an answer says until it ends or its connection breaks."""
    heard: list[Event] = []
    with contextlib.suppress(httpx2.TransportError):
        async with opened as response:
            if response.headers["content-type"] == "application/json":
                await response.aread()
                return [Event(data=response.text)]
            async for event in events(response):
                heard.append(event)  # noqa: PERF401  what was heard before it broke counts
    return heard


def answers(heard: list[Event]) -> list[Message]:
    """Pick the answers."""
    return [event.message for event in heard if event.data]


def label_in(answer: Message) -> object:
    """Report which call an answer is of."""
    return (own_result(answer["result"]["structuredContent"]) or {})["label"]


async def died(web: Child) -> None:
    assert await web.ended() == -signal.SIGKILL


@POINTS
@pytest.mark.parametrize("seconds", [AT_ONCE_S, STREAMED_S])
async def test_on_the_2026_wire_the_same_call_again_brings_it(
    bridge: Bridge, point: str, seconds: float
) -> None:
    doomed, label = await bridge.add_web(point), f"{DOOMED} 2026 {point} {seconds}"
    asked = call("joined", 1, label=label, seconds=seconds)
    wire = Modern(bridge.http, f"{doomed.url}/mcp/{SERVER}", TOKEN)
    heard = answers(await hear(wire.stream(asked)))
    await died(doomed)
    assert [label_in(answer) for answer in heard] == [label] * FRAME_POINTS[point]

    again = Modern(bridge.http, f"{bridge.webs[0].url}/mcp/{SERVER}", TOKEN)
    (answer,) = answers(await hear(again.stream(asked)))

    assert label_in(answer) == label
    assert len(bridge.runs(label)) == 1


@POINTS
async def test_on_the_2025_wire_the_resumed_stream_brings_it(bridge: Bridge, point: str) -> None:
    doomed, label = await bridge.add_web(point), f"{DOOMED} 2025 {point}"
    session = await open_session(bridge.http, f"{doomed.url}/mcp-2025/{SERVER}", token=TOKEN)
    heard = await hear(session.stream(call("joined", 1, label=label, seconds=AT_ONCE_S)))
    await died(doomed)
    assert [label_in(answer) for answer in answers(heard)] == [label] * FRAME_POINTS[point]

    assert label_in(await resumed(bridge, session, heard[0].id)) == label
    assert len(bridge.runs(label)) == 1


@POINTS
async def test_on_http_sse_the_next_stream_brings_it(bridge: Bridge, point: str) -> None:
    doomed, label = await bridge.add_web(point), f"{DOOMED} sse {point}"
    path = f"/sse/{SERVER}/clients/{point}"
    async with open_pipe(bridge.http, doomed.url, path, TOKEN) as pipe:
        await shake_hands(pipe)
        await pipe.post(call("joined", 1, label=label, seconds=AT_ONCE_S))
        heard = [event async for event in until_broken(pipe)]
    await died(doomed)
    assert [label_in(answer) for answer in answers(heard)] == [label] * FRAME_POINTS[point]

    assert label_in(await reattached(bridge, path)) == label
    assert len(bridge.runs(label)) == 1


async def test_on_the_2025_wire_another_process_waits_on(bridge: Bridge) -> None:
    doomed, label = await bridge.add_web(), "2025 waiting"
    session = await open_session(bridge.http, f"{doomed.url}/mcp-2025/{SERVER}", token=TOKEN)
    async with session.stream(call("joined", 1, label=label, seconds=WAITING_S)) as response:
        place = (await anext(events(response))).id
        await wait_until(lambda: bridge.runs(label), "n8n has the call")
        doomed.kill()
    await died(doomed)

    assert label_in(await resumed(bridge, session, place)) == label
    assert len(bridge.runs(label)) == 1


async def test_on_http_sse_another_process_waits_on(bridge: Bridge) -> None:
    doomed, label, path = await bridge.add_web(), "sse waiting", f"/sse/{SERVER}/clients/waiting"
    async with open_pipe(bridge.http, doomed.url, path, TOKEN) as pipe:
        await shake_hands(pipe)
        await pipe.post(call("joined", 1, label=label, seconds=WAITING_S))
        await wait_until(lambda: bridge.runs(label), "n8n has the call")
        doomed.kill()
    await died(doomed)

    assert label_in(await reattached(bridge, path)) == label
    assert len(bridge.runs(label)) == 1


async def test_an_event_that_came_with_a_dying_process_can_be_answered(bridge: Bridge) -> None:
    doomed = await bridge.add_web("frame-written")
    sent = (await bridge.send({"label": DOOMED})).json()
    wire = Modern(bridge.http, f"{doomed.url}/mcp/{SERVER}", TOKEN)
    (answer,) = answers(await hear(wire.stream(call("take_event"))))
    await died(doomed)
    taken = answer["result"]["structuredContent"]
    assert taken["event_id"] == sent["event_id"]

    alive = Modern(bridge.http, f"{bridge.webs[0].url}/mcp/{SERVER}", TOKEN)
    right = {"event_id": taken["event_id"], "lease": taken["lease"]}
    settled = await alive.post(call("reply_to_event", **right, reply="yes"))

    assert settled.json()["result"]["isError"] is False
    assert (await bridge.event(sent["event_id"]))["status"] == "answered"


async def until_broken(pipe: Pipe) -> AsyncIterator[Event]:
    """Read the messages of a stream until its connection breaks."""
    with contextlib.suppress(httpx2.TransportError):
        async for event in pipe.stream:
            if event.data:
                yield event


async def resumed(bridge: Bridge, session: Session, place: str | None) -> Message:
    """Resume a stream at the process that lives; returns its one answer."""
    elsewhere = session.at(f"{bridge.webs[0].url}/mcp-2025/{SERVER}")
    async with elsewhere.listen(place) as response:
        (event,) = [event async for event in messages(response)]
    assert (await elsewhere.post(call("list_calls", 2))).status_code == 200
    return event.message


async def reattached(bridge: Bridge, path: str) -> Message:
    """Come back to the process that lives as a client of HTTP+SSE does; returns the next answer."""
    url, headers = bridge.webs[0].url + path, authorization(TOKEN)
    came_back = headers | {"mcp-protocol-version": VERSION_2025}
    async with bridge.http.stream("GET", url, headers=came_back) as response:
        stream = events(response)
        assert (await anext(stream)).name == "endpoint"
        while "structuredContent" not in (answer := await answer_on(stream))["result"]:
            pass  # the handshake's, which may not have arrived either
        return answer
