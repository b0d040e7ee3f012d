"""Sessions, their streams, and what is owed on them."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.doors.by_hand import (
    ALICE,
    VERSION_2025,
    Event,
    Message,
    authorization,
    call,
    events,
    handshake,
    messages,
    notification,
    request,
)
from tests.upgrade.desk import Desk
from tests.upgrade.scenario import Scenario, Stage

Act = AsyncGenerator[None, None]
UPDATED = "notifications/resources/updated"


async def a_session_goes_on(stage: Stage) -> Act:
    session = await stage.before.session()
    yield
    answer = await session.at(address(stage.after)).post(request("tools/list"))
    assert answer.status_code == 200
    assert answer.json()["result"]["tools"]


async def a_session_that_was_ended_is_gone(stage: Stage) -> Act:
    session = await stage.before.session()
    assert (await session.end()).is_success
    yield
    assert (await session.at(address(stage.after)).post(request("tools/list"))).status_code == 404


async def frames_are_sent_again_from_where_the_client_names(stage: Stage) -> Act:
    session = await stage.before.session()
    async with session.stream(call("list_calls", 5)) as response:
        heard = [event async for event in events(response) if not event.comment]
    yield
    async with session.at(address(stage.after)).listen(heard[0].id) as response:
        again = [event async for event in messages(response)]
    assert again == heard[1:]
    assert [event.message["id"] for event in again] == [5]


async def an_answer_that_is_owed_comes_on_the_resumed_stream(stage: Stage) -> Act:
    session = await stage.before.session()
    async with session.stream(call("held_inline", 6, label="owed")) as response:
        place = (await anext(events(response))).id
        await stage.before.running("owed")
    yield
    async with session.at(address(stage.after)).listen(place) as response:
        told = [event.message async for event in messages(response)]
    assert [(each["id"], content_of(each)) for each in told] == [(6, {"label": "owed"})]


async def an_answer_to_a_queued_call_comes_on_the_resumed_stream(stage: Stage) -> Act:
    session = await stage.before.session("mcp")
    async with session.stream(call("waits", 7, label="not yet", seconds=0)) as response:
        place = (await anext(events(response))).id
    yield
    async with session.at(address(stage.after, "mcp")).listen(place) as response:
        told = [event.message async for event in messages(response)]
    assert [(each["id"], content_of(each)["label"]) for each in told] == [(7, "not yet")]
    assert stage.after.runs("not yet") == 1


async def a_pipe_goes_on_by_its_client_s_name(stage: Stage) -> Act:
    async with open_pipe(stage.before, "by-name") as pipe:
        await pipe.initialize()
        await pipe.post(call("held_inline", 8, label="by name"))
        await stage.before.running("by name")
    yield
    async with open_pipe(stage.after, "by-name", mcp_protocol_version=VERSION_2025) as again:
        assert again.session_id == pipe.session_id
        assert content_of(await again.answer_to(8)) == {"label": "by name"}


async def a_pipe_goes_on_from_where_the_client_names(stage: Stage) -> Act:
    async with open_pipe(stage.before, "by-place") as pipe:
        await pipe.initialize()
        heard = await pipe.next()
        await pipe.post(call("list_calls", 9))
        answer = await pipe.next()
    yield
    async with open_pipe(stage.after, "by-place", last_event_id=heard.id or "") as again:
        assert await again.next() == answer
        await again.post(call("list_calls", 10))
        await again.answer_to(10)


async def a_stream_is_read_where_it_was_opened_last(stage: Stage) -> Act:
    session = await stage.before.session()
    async with session.listen() as response:
        older = events(response)
        await anext(older)
        yield
        async with session.at(address(stage.after)).listen() as newer:
            await anext(events(newer))
            assert [event async for event in older if not event.comment] == []


async def what_a_session_subscribed_to_is_told(stage: Stage) -> Act:
    session = await stage.before.session()
    inbox = f"event://{stage.before.server}/watched"
    assert (await session.post(request("resources/subscribe", 11, uri=inbox))).is_success
    yield
    async with session.at(address(stage.after)).listen() as response:
        stream = messages(response)
        async with contextlib.aclosing(stream):
            await stage.after.sent("watched", {"n": 1})
            told = (await anext(stream)).message
    assert (told["method"], told["params"]["uri"]) == (UPDATED, inbox)


async def what_came_is_polled_from_a_cursor_on(stage: Stage) -> Act:
    await stage.before.sent("polled", {"n": 1})
    first = await poll(stage.before)
    missed = await stage.before.sent("polled", {"n": 2})
    yield
    later = await stage.after.sent("polled", {"n": 3})
    told = (await poll(stage.after, first["cursor"]))["events"]
    assert [each["eventId"] for each in told] == [missed, later]


async def poll(desk: Desk, cursor: str | None = None) -> Message:
    """Ask what has come on a hook."""
    result: Message = (await desk.answer(request("events/poll", name="polled", cursor=cursor)))[
        "result"
    ]
    return result


def address(desk: Desk, wire: str = "mcp-2025") -> str:
    """Name the address of a desk on a wire."""
    return f"{desk.origin}/{wire}/{desk.server}"


def content_of(answer: Message) -> dict[str, Any]:
    """Read the structured result of a tool."""
    assert "result" in answer, answer
    content: dict[str, Any] = answer["result"]["structuredContent"]
    return content


class Pipe:
    """A standing stream of HTTP+SSE, and where its messages go."""

    def __init__(self, desk: Desk, stream: AsyncGenerator[Event, None], address: str) -> None:
        self._desk = desk
        self._stream = stream
        self._address = address

    @property
    def session_id(self) -> str:
        """Return the id of the session that the stream is of."""
        return parse_qs(urlsplit(self._address).query)["session_id"][0]

    async def post(self, message: Message) -> None:
        """Send a message."""
        url = self._desk.origin + self._address
        answer = await self._desk.http.post(url, json=message, headers=authorization(ALICE))
        assert answer.status_code == 202

    async def initialize(self) -> None:
        """Shake hands; the answer comes on the stream."""
        await self.post(request("initialize", 0, **handshake(VERSION_2025)))
        await self.post(notification("notifications/initialized"))

    async def next(self) -> Event:
        """Read up to the next message."""
        async for event in self._stream:
            if event.data:
                return event
        raise AssertionError("the stream ended")

    async def answer_to(self, request_id: int) -> Message:
        """Read up to the answer to a request."""
        while (message := (await self.next()).message).get("id") != request_id:
            pass
        return message


@contextlib.asynccontextmanager
async def open_pipe(desk: Desk, client: str, **headers: str) -> AsyncIterator[Pipe]:
    """Open the stream of a client that is named; underscores in headers stand for dashes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    url = f"{desk.origin}/sse/{desk.server}/clients/{client}"
    async with desk.http.stream("GET", url, headers=authorization(ALICE) | named) as response:
        assert response.status_code == 200
        async with contextlib.aclosing(events(response)) as stream:
            endpoint = await anext(stream)
            assert endpoint.name == "endpoint"
            yield Pipe(desk, stream, endpoint.data or "")


SCENARIOS = (
    *(
        Scenario(act)
        for act in (
            a_session_goes_on,
            a_session_that_was_ended_is_gone,
            frames_are_sent_again_from_where_the_client_names,
            an_answer_that_is_owed_comes_on_the_resumed_stream,
            a_pipe_goes_on_by_its_client_s_name,
            a_pipe_goes_on_from_where_the_client_names,
            what_a_session_subscribed_to_is_told,
            what_came_is_polled_from_a_cursor_on,
        )
    ),
    Scenario(an_answer_to_a_queued_call_comes_on_the_resumed_stream, needs_no_worker=True),
    Scenario(a_stream_is_read_where_it_was_opened_last, needs_lives=True),
)
