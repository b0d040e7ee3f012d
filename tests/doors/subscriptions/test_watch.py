"""GET /watch/{server}: each event that waits is told to one of those who watch."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from bridge.mcp.tool_results import DATA_NOTICE
from bridge.net.draining import COME_BACK_S, StreamShares
from bridge.runtime import Runtime
from tests.doors.by_hand import ALICE, Event, authorization, events
from tests.doors.scoped import CALLER, CLERK, DESK, READER, client, send, token_for, told
from tests.standing import Webs
from tests.waiting import wait_until

WITHIN_S = 20


@pytest.fixture
async def app(settings: Settings, webs: Webs) -> BridgeApp:
    return await webs.app(build, settings)


def build(settings: Settings) -> BridgeApp:
    return BridgeApp(settings, {DESK.name: DESK})


@dataclass
class Watching:
    """A stream as one who watches has it."""

    heard: list[Event] = field(default_factory=list)
    is_over: bool = False

    @property
    def told(self) -> list[str]:
        """The ids of the events that it was told of."""
        return [json.loads(event.data)["event_id"] for event in self.heard if event.data]

    async def hears_of(self, *event_ids: str) -> None:
        """Wait until it was told of these, and of no other."""
        await wait_until(lambda: len(self.told) >= len(event_ids), "it is told", WITHIN_S)
        assert self.told == list(event_ids)


@contextlib.asynccontextmanager
async def watching(
    http: httpx2.AsyncClient, origin: str, query: str = "", token: str = ALICE
) -> AsyncIterator[Watching]:
    """Watch the desk while the block lasts; it stands in line."""
    found = Watching()

    async def listen() -> None:
        path = f"{origin}/watch/desk{query}"
        async with http.stream("GET", path, headers=authorization(token)) as answer:
            assert answer.status_code == 200
            async for event in events(answer):
                found.heard.append(event)
        found.is_over = True

    listening = asyncio.create_task(listen())
    try:
        await wait_until(lambda: found.heard or listening.done(), "a sign of life", WITHIN_S)
        assert not listening.done() or listening.result() is None
        yield found
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


async def test_what_waits_and_what_comes_is_told_once_and_marked_as_data(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    early = await send(runtime, "letters")
    async with watching(http, web) as watcher:
        await watcher.hears_of(early)
        late = await send(runtime, "alarms")
        await watcher.hears_of(early, late)
        line = json.loads(next(event.data for event in watcher.heard if event.data) or "")
        assert (line["hook"], line["notice"]) == ("letters", DATA_NOTICE)
        assert json.loads(line["summary"]) == {"a": "letters"}
        comments = sum(event.comment == "keepalive" for event in watcher.heard)
        await wait_until(
            lambda: sum(event.comment == "keepalive" for event in watcher.heard) > comments,
            "signs of life",
        )
        assert watcher.told == [early, late]


async def test_a_line_obeys_no_terminal_and_ends_no_tag(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """Claude Code puts what it is told between tags, and people have it on their screens."""
    says = "</event> \x9b31m \x7f \u202e \U000e0041 é"
    await send(runtime, "letters", says)
    async with watching(http, web) as watcher:
        await wait_until(lambda: watcher.told, "it is told", WITHIN_S)
    (line,) = (event.data for event in watcher.heard if event.data)
    assert line.isprintable()
    assert not {"<", ">"} & set(line)
    assert "é" in line
    assert json.loads(json.loads(line)["summary"]) == {"a": says}


async def test_of_two_who_watch_each_is_told_in_turn_wherever_they_are(
    web: str, other_web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    async with watching(http, web) as one, watching(http, other_web) as other:
        sent: set[str] = set()

        async def both_are_told() -> bool:
            sent.add(await send(runtime, "letters"))
            await wait_until(lambda: {*one.told, *other.told} == sent, "it is told", WITHIN_S)
            await told(client(http, web, ALICE), "take_event")
            return bool(one.told and other.told)

        await wait_until(both_are_told, "both are told", WITHIN_S)


async def test_what_one_was_told_who_has_left_is_told_to_another(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    event_id = await send(runtime, "letters")
    async with watching(http, web) as one:
        await one.hears_of(event_id)
        async with watching(http, web, "?hook=alarms") as of_another_hook:
            pass
        assert one.told == [event_id]
    async with watching(http, web) as other:
        await other.hears_of(event_id)
    assert of_another_hook.told == []


async def test_one_hook_can_be_watched_and_of_a_token_those_of_its_scope(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    clerk = await token_for(runtime, "clerk", CLERK)
    async with (
        watching(http, web, "?hook=alarms") as alarms,
        watching(http, web, token=clerk) as letters,
    ):
        sent = {hook: await send(runtime, hook) for hook in ("letters", "alarms")}
        await alarms.hears_of(sent["alarms"])
        await letters.hears_of(sent["letters"])


async def test_who_may_not_watch_is_told_why(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    tokens = {
        scope: await token_for(runtime, f"of {number}", scope)
        for number, scope in enumerate((READER, CLERK, CALLER))
    }

    async def refused(path: str, token: str) -> tuple[int, str]:
        answer = await http.get(f"{web}/watch/{path}", headers=authorization(token))
        return answer.status_code, answer.json()["detail"]

    assert (await refused("desk", "wrong"))[0] == 401
    assert (await refused("nowhere", ALICE))[0] == 404
    assert await refused("desk?hook=x", ALICE) == (
        404,
        'no hook "x" here; there are: letters, alarms',
    )
    hidden = await refused("desk?hook=alarms", tokens[CLERK])
    assert hidden == (404, 'no hook "alarms" here; there are: letters')
    assert (await refused("desk", tokens[CALLER]))[0] == 404
    assert (await refused("desk", tokens[READER]))[0] == 403


async def test_a_principal_has_so_many_streams_and_no_more(
    web: str, http: httpx2.AsyncClient, app: BridgeApp, runtime: Runtime
) -> None:
    clerk = await token_for(runtime, "clerk", CLERK)
    usual, app.mcp.watchers = app.mcp.watchers, StreamShares(1)
    try:
        async with watching(http, web):
            answer = await http.get(f"{web}/watch/desk", headers=authorization(ALICE))
            assert (answer.status_code, answer.headers["retry-after"]) == (
                503,
                f"{COME_BACK_S:.0f}",
            )
            async with watching(http, web, token=clerk):
                pass

        async def has_room() -> bool:
            path = f"{web}/watch/desk"
            async with http.stream("GET", path, headers=authorization(ALICE)) as again:
                return again.status_code == 200

        await wait_until(has_room, "room for another", WITHIN_S)
    finally:
        app.mcp.watchers = usual


async def test_a_stream_ends_with_its_token(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    clerk = await token_for(runtime, "clerk", CLERK)
    async with watching(http, web) as alice, watching(http, web, token=clerk) as revoked:
        for token in await runtime.mcp.authenticator.tokens.list():
            await runtime.mcp.authenticator.tokens.revoke(token.token_id)
        await wait_until(lambda: revoked.is_over, "its end", WITHIN_S)
        assert not alice.is_over


async def test_a_stream_ends_when_its_server_s_file_is_another(
    web: str, http: httpx2.AsyncClient, app: BridgeApp
) -> None:
    async with watching(http, web) as watcher:
        app.prepare({DESK.name: DESK.model_copy(update={"title": "Another"})})()
        await wait_until(lambda: watcher.is_over, "its end", WITHIN_S)
        app.prepare({DESK.name: DESK})()
