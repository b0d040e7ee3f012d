"""HTTP+SSE sessions that outlive their stream, at any web process."""

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.mcp.wires import stream_reader
from bridge.models import CallStatus, new_lease_token
from bridge.runtime import Runtime
from bridge.store import outbox
from tests.doors.by_hand import (
    ALICE,
    VERSION_2025,
    Event,
    Message,
    answer_on,
    authorization,
    call,
    events,
)
from tests.waiting import wait_until

LAPTOP = "/sse/desk/clients/laptop"


class Stream:
    """One standing stream: its events, and the session that its first one names."""

    def __init__(self, origin: str, response: httpx2.Response) -> None:
        self.origin = origin
        self.events = events(response)
        self.address = ""

    @property
    def session_id(self) -> str:
        """The session of the stream."""
        return parse_qs(urlsplit(self.address).query)["session_id"][0]

    async def begin(self) -> None:
        """Read where messages go."""
        endpoint = await anext(self.events)
        assert endpoint.name == "endpoint"
        self.address = endpoint.data or ""

    async def post(self, http: httpx2.AsyncClient, message: Message) -> None:
        """Send a message."""
        answer = await http.post(
            self.origin + self.address, json=message, headers=authorization(ALICE)
        )
        assert answer.status_code == 202

    async def next_message(self) -> Event:
        """Read up to the next message."""
        async for event in self.events:
            if event.data:
                return event
        raise AssertionError("the stream ended")


@contextlib.asynccontextmanager
async def stream(
    http: httpx2.AsyncClient, origin: str, path: str = LAPTOP, **headers: str
) -> AsyncIterator[Stream]:
    """Open a stream; leaving the block is a client that is gone."""
    said = authorization(ALICE) | {name.replace("_", "-"): text for name, text in headers.items()}
    async with http.stream("GET", origin + path, headers=said) as response:
        opened = Stream(origin, response)
        async with contextlib.aclosing(opened.events):
            await opened.begin()
            yield opened


def runtime_of(app: BridgeApp) -> Runtime:
    runtime: Runtime = app.runtime
    return runtime


async def answer_in(app: BridgeApp, session_id: str) -> None:
    """Wait until a frame lies in the session's outbox."""
    outbox = f"{{bridge}}:outbox:{session_id}:standing"
    await wait_until(lambda: runtime_of(app).redis.exists(outbox), "an answer in the outbox")


async def test_a_frame_that_was_missed_comes_on_the_next_stream_of_the_only_client(
    web: str, other_web: str, app: BridgeApp, http: httpx2.AsyncClient
) -> None:
    async with stream(http, web) as first:
        pass
    await first.post(http, call("stamp", 7, letter="a"))
    await answer_in(app, first.session_id)

    async with stream(http, other_web, mcp_protocol_version=VERSION_2025) as second:
        answer = await answer_on(second.events)

    assert second.session_id == first.session_id
    assert answer["id"] == 7


async def test_a_frame_written_a_moment_before_the_drop_is_sent_again(
    web: str, http: httpx2.AsyncClient
) -> None:
    async with stream(http, web) as first:
        await first.post(http, call("list_events", 1))
        seen = await first.next_message()

    async with stream(http, web, mcp_protocol_version=VERSION_2025) as second:
        again = await second.next_message()

    assert again == seen


async def test_last_event_id_decides_where_the_stream_goes_on(
    web: str, other_web: str, http: httpx2.AsyncClient
) -> None:
    async with stream(http, web) as first:
        await first.post(http, call("list_events", 1))
        seen = await first.next_message()
        await first.post(http, call("list_calls", 2))
        await first.next_message()

    async with stream(http, other_web, last_event_id=seen.id or "") as second:
        assert (await second.next_message()).message["id"] == 2


async def test_a_stream_without_either_header_is_always_a_new_session(
    web: str, http: httpx2.AsyncClient
) -> None:
    async with stream(http, web) as first:
        pass
    async with stream(http, web) as second:
        assert second.session_id != first.session_id


async def test_of_two_clients_with_one_name_neither_sees_the_others_answers(
    web: str, app: BridgeApp, http: httpx2.AsyncClient
) -> None:
    async with stream(http, web) as one, stream(http, web) as two:
        pass
    for left in (one, two):
        await left.post(http, call("stamp", 7, letter="a"))
        await answer_in(app, left.session_id)

    async with stream(http, web, mcp_protocol_version=VERSION_2025) as third:
        await third.post(http, call("list_calls", 8))
        answer = await answer_on(third.events)

    assert third.session_id not in {one.session_id, two.session_id}
    assert answer["id"] == 8
    assert "result" in answer


async def test_both_of_two_clients_that_came_back_hear_their_own_answers_only(
    web: str, other_web: str, http: httpx2.AsyncClient
) -> None:
    async with stream(http, web) as one, stream(http, web) as two:
        await one.post(http, call("stamp", 1, letter="of one"))
        await two.post(http, call("stamp", 2, letter="of two"))
        await one.next_message()
        await two.next_message()

    for left, number in ((one, 1), (two, 2)):
        async with (
            stream(http, other_web, mcp_protocol_version=VERSION_2025) as stranger,
            stream(http, other_web, last_event_id=f"{left.session_id}/0-0") as back,
        ):
            assert stranger.session_id not in {one.session_id, two.session_id}
            assert (await back.next_message()).message["id"] == number
            for asking in (stranger, back):
                await asking.post(http, call("list_events", 9))
                assert (await asking.next_message()).message["id"] == 9


async def test_a_client_hears_which_of_its_answers_had_to_make_room(
    web: str, app: BridgeApp, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "FRAMES_MAX", 1)
    async with stream(http, web) as left:
        pass
    for number in (1, 2):
        await left.post(http, call("list_events", number))
        await answer_in(app, left.session_id)
        await wait_until(lambda: owed_nothing(app, left.session_id), "the answer")
    async with stream(http, web, mcp_protocol_version=VERSION_2025) as back:
        dropped, kept = [(await back.next_message()).message for _ in range(2)]
    assert (dropped["id"], kept["id"]) == (1, 2)
    assert "list_calls" in dropped["error"]["message"]
    assert "result" in kept


async def owed_nothing(app: BridgeApp, session_id: str) -> bool:
    """Report whether every request of a session has been answered."""
    return not await runtime_of(app).redis.exists(f"{{bridge}}:owed:{session_id}")


async def test_another_name_is_another_client(web: str, http: httpx2.AsyncClient) -> None:
    async with stream(http, web) as first:
        pass
    async with stream(
        http, web, "/sse/desk/clients/phone", mcp_protocol_version=VERSION_2025
    ) as second:
        assert second.session_id != first.session_id


@pytest.mark.parametrize("place", ["gone/1-0", "gone", "gone/x", f"gone/{2**64}-0", "/"])
async def test_an_unknown_session_is_ready_without_a_handshake(
    web: str, http: httpx2.AsyncClient, place: str
) -> None:
    async with stream(http, web, last_event_id=place, mcp_protocol_version=VERSION_2025) as new:
        await new.post(http, call("list_calls", 3))
        assert "result" in await answer_on(new.events)


@pytest.fixture
def soon_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a stream's word for it after a moment."""
    monkeypatch.setattr(stream_reader, "SURE_AFTER_S", 0.2)


@pytest.mark.usefixtures("soon_sure")
async def test_what_has_surely_arrived_is_not_sent_again_and_its_call_runs_anew(
    web: str, app: BridgeApp, http: httpx2.AsyncClient
) -> None:
    runtime = runtime_of(app)
    async with stream(http, web) as first:
        await first.post(http, call("stamp", 1, letter="a"))
        handle = (await answer_on(first.events))["result"]["structuredContent"]
        running = await runtime.stores.runs.lease(handle["call_id"], new_lease_token())
        assert running is not None
        await runtime.stores.runs.finish(running, CallStatus.SUCCEEDED, result=b'{"ok":1}')
        await first.post(http, call("stamp", 2, letter="a"))
        joined = (await answer_on(first.events))["result"]["structuredContent"]
        assert joined["result"] == {"ok": 1}

        async def is_sure() -> bool:
            session = f"{{bridge}}:session:{first.session_id}"
            return bool(await runtime.redis.hget(session, "sure:standing"))

        await wait_until(is_sure, "the frames are sure")
        await first.post(http, call("stamp", 3, letter="a"))
        anew = (await answer_on(first.events))["result"]["structuredContent"]

    assert anew["call_id"] != handle["call_id"]


async def test_a_taker_who_left_takes_nothing(
    web: str, app: BridgeApp, http: httpx2.AsyncClient
) -> None:
    async with stream(http, web) as first:
        await first.post(http, call("take_event", 1, wait_seconds=30))
    sent = await http.post(
        f"{web}/hooks/desk/letters", json={"n": 1}, headers=authorization("the-token-of-n8n")
    )
    async with stream(http, web, "/sse/desk/clients/phone") as second:
        await second.post(http, call("take_event", 2, wait_seconds=10))
        taken = (await answer_on(second.events))["result"]["structuredContent"]

    assert taken["event_id"] == sent.json()["event_id"]
    assert taken["attempt"] == 1
