"""News of inboxes and lists, on every wire: told once, by whichever process is read."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.mcp import change_watch, session_notifications, subscriptions_listen
from tests.doors.by_hand import (
    Event,
    Modern,
    Session,
    answer_on,
    authorization,
    call,
    events,
    open_pipe,
    open_session,
    request,
    shake_hands,
)
from tests.doors.conftest import DESK, KEEPALIVE_S
from tests.doors.every_wire import WIRES, asking, send
from tests.serving import serving

INBOX = "event://desk/letters"
UPDATED = "notifications/resources/updated"
PAUSE_S = 0.05
"""How long is between two looks here."""
QUIET = round(8 * PAUSE_S / KEEPALIVE_S)
"""How many keepalives in a row say that nothing more will be told: eight looks would have been."""

CHANGED = DESK.model_copy(update={"workflows": {}})
"""The desk after a restart with another server file."""

Stream = AsyncGenerator[Event, None]


@contextlib.asynccontextmanager
async def listening(http: httpx2.AsyncClient, web: str, **wanted: object) -> AsyncIterator[Stream]:
    """Listen on the 2026 wire."""
    message = request("subscriptions/listen", 7, notifications=wanted)
    async with (
        Modern(http, f"{web}/mcp/desk").stream(message) as answer,
        contextlib.aclosing(events(answer)) as stream,
    ):
        acknowledged = await answer_on(stream)
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        known = {"resourceSubscriptions": [INBOX]} if "resourceSubscriptions" in wanted else {}
        assert acknowledged["params"]["notifications"] == wanted | known
        yield stream


@contextlib.asynccontextmanager
async def standing(session: Session, after: str | None = None) -> AsyncIterator[Stream]:
    """Read a session's standing stream, behind the event named or from where it is sure."""
    async with session.listen(after) as answer, contextlib.aclosing(events(answer)) as stream:
        yield stream


@contextlib.asynccontextmanager
async def hearing(
    wire: str, http: httpx2.AsyncClient, web: str, other_web: str
) -> AsyncIterator[Stream]:
    """Subscribe to the inbox of letters at one process, and read the stream at another."""
    subscribe = request("resources/subscribe", 8, uri=INBOX)
    if wire == "2026":
        wanted = [INBOX, "event://desk/none", "event://shop/letters"]
        async with listening(http, web, resourceSubscriptions=wanted) as stream:
            yield stream
    elif wire == "2025":
        session = await open_session(http, f"{web}/mcp/desk")
        async with standing(session) as stream:
            answer = await session.at(f"{other_web}/mcp/desk").post(subscribe)
            assert answer.json()["result"] == {}
            yield stream
    else:
        async with open_pipe(http, web) as pipe:
            await shake_hands(pipe)
            elsewhere = pipe.messages_url.replace(web, other_web)
            await http.post(elsewhere, json=subscribe, headers=authorization(pipe.token))
            assert (await answer_on(pipe.stream))["result"] == {}
            yield pipe.stream


@pytest.fixture(params=WIRES)
async def heard(
    request: pytest.FixtureRequest, http: httpx2.AsyncClient, web: str, other_web: str
) -> AsyncIterator[Stream]:
    async with hearing(request.param, http, web, other_web) as stream:
        yield stream


async def news(stream: Stream) -> str:
    """Read what is told next: the address, or the method where there is none."""
    message = await answer_on(stream)
    uri: str = message.get("params", {}).get("uri", message.get("method", ""))
    return uri


async def until_quiet(stream: Stream, least: int = 0) -> list[str]:
    """Read all that is told until nothing more is; returns the methods."""
    return [event.message["method"] for event in await all_of(stream, least)]


async def all_of(stream: Stream, least: int) -> list[Event]:
    """Read all that is told until nothing more is, and so many at least, however late they come."""
    told: list[Event] = []
    silent = 0
    async for event in stream:
        silent += 1
        if event.data and "method" in event.message:
            silent = 0
            told.append(event)
        if silent >= QUIET and len(told) >= least:
            break
    return told


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look twenty times as often, so that quiet is sure in half a second."""
    monkeypatch.setattr(change_watch, "PAUSE_S", PAUSE_S)
    monkeypatch.setattr(session_notifications, "PAUSE_S", PAUSE_S)
    monkeypatch.setattr(subscriptions_listen, "PAUSE_S", PAUSE_S)


# Inboxes


async def test_an_event_that_comes_is_told_whichever_process_took_it(
    heard: Stream, http: httpx2.AsyncClient, other_web: str
) -> None:
    await send(http, other_web, "Dear all")
    assert await news(heard) == INBOX


async def test_an_event_that_is_taken_is_told_to_have_left(
    heard: Stream, http: httpx2.AsyncClient, web: str, other_web: str
) -> None:
    await send(http, web, "Dear all")
    assert await news(heard) == INBOX
    await Modern(http, f"{other_web}/mcp/desk").post(call("take_event"))
    assert await news(heard) == INBOX


async def test_a_burst_is_told_a_few_times_and_its_end_is_not_missed(
    heard: Stream, http: httpx2.AsyncClient, web: str
) -> None:
    now = asyncio.get_running_loop().time
    began_at = now()
    for n in range(100):
        await send(http, web, n)
    took_s = now() - began_at
    told = await until_quiet(heard, 1)
    assert len(told) <= 4 + took_s / PAUSE_S  # the last are told after the last was sent
    assert set(told) == {UPDATED}


async def test_nothing_is_told_where_nothing_came_or_went(
    heard: Stream, http: httpx2.AsyncClient, web: str
) -> None:
    async with asking("2026", http, web) as ask:
        await ask("resources/read", uri=INBOX)
        await ask("resources/list")
    assert await until_quiet(heard) == []


@pytest.mark.parametrize("uri", ["event://desk/none", "event://shop/letters", f"{INBOX}/evt_1"])
async def test_only_inboxes_of_the_server_can_be_heard_of(
    http: httpx2.AsyncClient, web: str, uri: str
) -> None:
    async with asking("2025", http, web) as ask:
        assert (await ask("resources/subscribe", uri=uri))["error"]["data"] == {"uri": uri}


async def test_what_came_while_nobody_read_is_told_once_at_another_process(
    http: httpx2.AsyncClient, web: str, other_web: str
) -> None:
    session = await open_session(http, f"{web}/mcp/desk")
    await session.post(request("resources/subscribe", 8, uri=INBOX))
    await send(http, web, "Dear all")
    async with standing(session.at(f"{other_web}/mcp/desk")) as stream:
        (told,) = await all_of(stream, 1)
        assert told.message["params"] == {"uri": INBOX}
    async with standing(session, told.id) as stream:
        assert await until_quiet(stream) == []


async def test_who_has_heard_enough_is_told_no_more(
    http: httpx2.AsyncClient, web: str, other_web: str
) -> None:
    session = await open_session(http, f"{web}/mcp/desk")
    await session.post(request("resources/subscribe", 8, uri=INBOX))
    async with standing(session) as stream:
        elsewhere = session.at(f"{other_web}/mcp/desk")
        assert (await elsewhere.post(request("resources/unsubscribe", 9, uri=INBOX))).json()[
            "result"
        ] == {}
        await send(http, web, "Dear all")
        assert await until_quiet(stream) == []


async def test_events_change_the_list_of_resources_of_who_listens_for_it(
    http: httpx2.AsyncClient, web: str, other_web: str
) -> None:
    async with listening(http, web, resourcesListChanged=True) as stream:
        await send(http, other_web, "Dear all")
        assert await news(stream) == "notifications/resources/list_changed"


# Lists


@pytest.fixture
async def restarted(settings: Settings) -> AsyncIterator[str]:
    """Return the address of a process that was started with another server file."""
    servers: dict[str, Server] = {"desk": CHANGED}
    async with serving(BridgeApp(settings, servers)) as address:
        yield address


async def test_a_session_is_told_once_that_its_tools_are_others_now(
    http: httpx2.AsyncClient, web: str, restarted: str
) -> None:
    session = await open_session(http, f"{web}/mcp/desk")
    async with standing(session) as stream:
        assert await until_quiet(stream) == []
    after = session.at(f"{restarted}/mcp/desk")
    async with standing(after) as stream:
        (told,) = await all_of(stream, 1)
        assert told.message["method"] == "notifications/tools/list_changed"
    async with standing(after, told.id) as stream:
        assert await until_quiet(stream) == []


async def test_a_pipe_that_comes_back_is_told_that_its_tools_are_others_now(
    http: httpx2.AsyncClient, web: str, restarted: str
) -> None:
    path = "/sse/desk/clients/laptop"
    async with open_pipe(http, web, path) as pipe:
        await shake_hands(pipe)
        assert await until_quiet(pipe.stream) == []
    again = authorization(pipe.token) | {"mcp-protocol-version": "2025-11-25"}
    async with (
        http.stream("GET", restarted + path, headers=again) as answer,
        contextlib.aclosing(events(answer)) as stream,
    ):
        assert pipe.messages_url.endswith((await anext(stream)).data or "nowhere")
        assert await until_quiet(stream, 1) == ["notifications/tools/list_changed"]


async def test_who_listens_again_is_told_that_the_tools_are_others_now(
    http: httpx2.AsyncClient, web: str, restarted: str
) -> None:
    async with listening(http, web, toolsListChanged=True, promptsListChanged=True) as stream:
        assert await until_quiet(stream) == []
    async with listening(http, restarted, toolsListChanged=True, promptsListChanged=True) as stream:
        assert await news(stream) == "notifications/tools/list_changed"


@pytest.fixture
async def with_more_hooks(settings: Settings) -> AsyncIterator[str]:
    """Return the address of a process whose server file has one more hook."""
    desk = DESK.model_copy(update={"hooks": {**DESK.hooks, "parcels": DESK.hooks["letters"]}})
    async with serving(BridgeApp(settings, {"desk": desk})) as address:
        yield address


async def test_a_session_is_told_that_there_is_another_inbox_and_of_no_event_as_a_list(
    http: httpx2.AsyncClient, web: str, with_more_hooks: str
) -> None:
    session = await open_session(http, f"{web}/mcp/desk")
    async with standing(session) as stream:
        await send(http, web, "Dear all")
        assert await until_quiet(stream) == []
    async with standing(session.at(f"{with_more_hooks}/mcp/desk")) as stream:
        assert await until_quiet(stream) == [
            "notifications/prompts/list_changed",
            "notifications/resources/list_changed",
        ]


# Capabilities


async def test_what_is_said_to_be_told_is_told(http: httpx2.AsyncClient, web: str) -> None:
    async with open_pipe(http, web) as pipe:
        of_sessions = (await shake_hands(pipe))["capabilities"]
    async with asking("2026", http, web) as ask:
        of_listeners = (await ask("server/discover"))["result"]["capabilities"]
    assert of_sessions["tools"] == of_sessions["prompts"] == {"listChanged": True}
    assert of_sessions["resources"] == {"subscribe": True, "listChanged": True}
    assert of_listeners["tools"] == of_listeners["prompts"] == {"listChanged": True}
    assert of_listeners["resources"] == {"subscribe": True, "listChanged": True}
