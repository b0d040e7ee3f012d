"""Events of hooks outside a token's scope: no method tells of them, or so much as names them."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.auth.authentication import Scope
from bridge.configuration.settings import Settings
from bridge.runtime import Runtime
from tests.doors.auth.test_other_principals import asked
from tests.doors.by_hand import Message, Modern, Session, answer_on, events, open_session, request
from tests.doors.scoped import CALLER, CLERK, DESK, READER, client, send, token_for
from tests.doors.subscriptions.test_list_changed import UPDATED, news, standing
from tests.doors.subscriptions.test_subscriptions_listen import honoured, listening
from tests.standing import Webs

LETTERS, ALARMS, NOWHERE = (f"event://desk/{hook}" for hook in ("letters", "alarms", "nowhere"))
LONG_AGO = "1"


@pytest.fixture
async def app(settings: Settings, webs: Webs) -> BridgeApp:
    return await webs.app(build, settings)


def build(settings: Settings) -> BridgeApp:
    return BridgeApp(settings, {DESK.name: DESK})


@pytest.fixture
async def clerk(web: str, http: httpx2.AsyncClient, runtime: Runtime) -> Modern:
    """Return who may see letters, where an alarm waits."""
    await send(runtime, "alarms")
    return client(http, web, await token_for(runtime, "clerk", CLERK))


@pytest.fixture
async def session(web: str, http: httpx2.AsyncClient, clerk: Modern) -> Session:
    return await open_session(http, f"{web}/mcp/desk", token=clerk.token)


async def result(modern: Modern, method: str, **params: Any) -> Message:
    """Ask something and be told it, without a word of alarms."""
    answer = await modern.post(request(method, **params))
    assert "alarm" not in answer.text
    told: Message = answer.json()["result"]
    return told


@contextlib.asynccontextmanager
async def streaming(modern: Modern, name: str) -> AsyncIterator[AsyncGenerator[Message, None]]:
    """Open a stream of a hook's events; returns what is told on it, without a word of alarms."""
    message = request("events/stream", 7, name=name, cursor=None)

    async def messages(answer: httpx2.Response) -> AsyncGenerator[Message, None]:
        async with contextlib.aclosing(events(answer)) as stream:
            async for event in stream:
                assert "alarm" not in (event.data or "")
                if event.data:
                    yield event.message

    async with (
        modern.stream(message) as answer,
        contextlib.aclosing(messages(answer)) as told,
    ):
        yield told


# The Events extension


async def test_the_types_of_events_are_those_of_the_scope(clerk: Modern) -> None:
    listed = await result(clerk, "events/list")
    assert [event["name"] for event in listed["events"]] == ["letters"]


async def test_a_poll_tells_events_of_the_scope_only(clerk: Modern, runtime: Runtime) -> None:
    letter = await send(runtime, "letters")
    told = await result(clerk, "events/poll", name="letters", cursor=LONG_AGO)
    assert [event["eventId"] for event in told["events"]] == [letter]


@pytest.mark.parametrize("method", ["events/poll", "events/stream"])
async def test_a_type_of_event_outside_the_scope_is_unknown(clerk: Modern, method: str) -> None:
    outside = await asked(clerk, method, name="alarms")
    assert outside == await asked(clerk, method, name="nowhere")
    assert "no such event" in outside["text"]


async def test_a_stream_passes_over_what_is_outside_the_scope(
    clerk: Modern, runtime: Runtime
) -> None:
    async with streaming(clerk, "letters") as told:
        assert (await anext(told))["method"] == "notifications/events/active"
        await send(runtime, "alarms")
        letter = await send(runtime, "letters")
        while (message := await anext(told))["method"] != "notifications/events/event":
            assert message["method"] == "notifications/events/heartbeat"
        assert message["params"]["eventId"] == letter


# Resources


async def test_resources_are_those_of_the_scope(clerk: Modern, runtime: Runtime) -> None:
    letter = await send(runtime, "letters")
    listed = await result(clerk, "resources/list")
    assert [each["uri"] for each in listed["resources"]] == [LETTERS, f"{LETTERS}/{letter}"]


async def test_a_resource_outside_the_scope_is_unknown(clerk: Modern, runtime: Runtime) -> None:
    alarm = await send(runtime, "alarms")
    for outside, unknown in (
        (ALARMS, NOWHERE),
        (f"{ALARMS}/{alarm}", f"{NOWHERE}/{alarm}"),
        (f"{LETTERS}/{alarm}", f"{LETTERS}/evt_unknown"),
    ):
        read = await asked(clerk, "resources/read", uri=outside)
        assert read == await asked(clerk, "resources/read", uri=unknown)
        assert "error" in read["text"]


async def test_who_listens_is_told_of_inboxes_of_the_scope(clerk: Modern, runtime: Runtime) -> None:
    wanted = [ALARMS, LETTERS, NOWHERE]
    async with listening(clerk, resourceSubscriptions=wanted, resourcesListChanged=True) as told:
        assert await honoured(told) == {
            "resourcesListChanged": True,
            "resourceSubscriptions": [LETTERS],
        }
        await send(runtime, "alarms")
        await send(runtime, "letters")
        assert (await anext(told))["method"] == "notifications/resources/list_changed"
        updated = await anext(told)
        assert (updated["method"], updated["params"]["uri"]) == (UPDATED, LETTERS)


async def test_an_alarm_alone_tells_whoever_may_not_see_it_nothing(
    web: str, http: httpx2.AsyncClient, clerk: Modern, runtime: Runtime
) -> None:
    """A listener with all rights shows that it was told, so that it would have been told here."""
    everything = client(http, web, await token_for(runtime, "chief", Scope()))
    async with (
        listening(clerk, resourcesListChanged=True) as of_clerk,
        listening(everything, resourcesListChanged=True) as of_chief,
    ):
        await honoured(of_clerk)
        await honoured(of_chief)
        await send(runtime, "alarms")
        assert (await anext(of_chief))["method"] == "notifications/resources/list_changed"
        await send(runtime, "letters")
        assert (await anext(of_clerk))["method"] == "notifications/resources/list_changed"
        assert (await anext(of_chief))["method"] == "notifications/resources/list_changed"


async def test_a_session_subscribes_to_inboxes_of_the_scope_only(
    session: Session, runtime: Runtime
) -> None:
    errors = []
    for uri in (ALARMS, NOWHERE):
        answer = await session.post(request("resources/subscribe", 8, uri=uri))
        errors.append(answer.text.replace(uri, "IT"))
    assert errors[0] == errors[1]
    assert "only inboxes" in errors[0]

    async with standing(session) as stream:
        answer = await session.post(request("resources/subscribe", 9, uri=LETTERS))
        assert answer.json()["result"] == {}
        await send(runtime, "alarms")
        await send(runtime, "letters")
        assert await news(stream) == LETTERS


async def test_a_session_hears_no_more_of_what_left_its_scope(
    web: str, http: httpx2.AsyncClient, session: Session, runtime: Runtime
) -> None:
    """The session's record still names both; what is told goes by the rights of who reads it."""
    for hook in ("letters", "alarms"):
        await runtime.stores.inboxes.hear(session.session_id, "desk", hook)
    async with standing(session) as stream:
        await send(runtime, "alarms")
        await send(runtime, "letters")
        message = await answer_on(stream)
        assert message["params"]["uri"] == LETTERS


# Prompts and completion


async def test_prompts_are_those_of_the_scope(clerk: Modern) -> None:
    listed = await result(clerk, "prompts/list")
    assert [prompt["name"] for prompt in listed["prompts"]] == ["letters"]
    outside = await asked(clerk, "prompts/get", name="alarms")
    assert outside == await asked(clerk, "prompts/get", name="nowhere")


async def test_completion_offers_what_is_in_the_scope(clerk: Modern) -> None:
    ref = {"type": "ref/resource", "uri": "event://{server}/{hook}"}
    for typed, offered in {"": ["letters"], "a": [], "alarms": [], "l": ["letters"]}.items():
        message = request("completion/complete", ref=ref, argument={"name": "hook", "value": typed})
        completion = (await clerk.post(message)).json()["result"]["completion"]
        assert (completion["values"], completion["total"]) == (offered, len(offered))


# Whoever has no hooks, and whoever only reads


async def test_whoever_has_no_hooks_is_told_of_no_events(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    await send(runtime, "letters")
    caller = client(http, web, await token_for(runtime, "caller", CALLER))
    for method, what in {
        "events/list": "events",
        "resources/list": "resources",
        "prompts/list": "prompts",
    }.items():
        answer = await caller.post(request(method))
        assert answer.json()["result"][what] == [], method
        assert "letters" not in answer.text
    async with listening(caller, resourceSubscriptions=[LETTERS]) as told:
        assert await honoured(told) == {}


async def test_whoever_only_reads_is_told_of_events_and_shown_no_prompts(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    letter = await send(runtime, "letters")
    reader = client(http, web, await token_for(runtime, "reader", READER))
    polled = request("events/poll", name="letters", cursor=LONG_AGO)
    (told,) = (await reader.post(polled)).json()["result"]["events"]
    assert told["eventId"] == letter
    assert (await reader.post(request("prompts/list"))).json()["result"]["prompts"] == []
    assert "error" in (await reader.post(request("prompts/get", name="letters"))).json()
