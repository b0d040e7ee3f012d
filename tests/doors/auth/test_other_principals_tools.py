"""What is another's answers exactly as what does not exist, by verbs and by tools."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.errors import LeaseLostError, NotFoundError
from bridge.formats.payloads import Content
from bridge.models import (
    Body,
    Call,
    CallId,
    EventId,
    EventStatus,
    LeaseRef,
    LeaseToken,
    Principal,
    new_call_id,
)
from bridge.runtime import Runtime, open_runtime
from bridge.verbs.calls import CallRequest
from bridge.verbs.intake import Incoming
from tests.apps import there
from tests.tools import call_tool, refused, told

ALICE, BOB = Principal("support", "alice"), Principal("support", "bob")
STRANGER = Principal("sales", "alice")


def server(name: str) -> Server:
    """Describe a server; all of them are alike."""
    return Server.model_validate(
        {
            "name": name,
            "hooks": {"ticket": {"auth": {"bearer": "hook"}, "reply": {"type": "object"}}},
            "workflows": {
                "parse": {
                    "url": "http://127.0.0.1:9/webhook/parse",
                    "answer_inline_for": 0,
                    "input": {"type": "object"},
                }
            },
        }
    )


SERVERS = {name: server(name) for name in ("support", "sales")}


@pytest.fixture
async def runtime(redis_url: str) -> AsyncIterator[Runtime]:
    async with open_runtime(Settings(redis_url=redis_url), SERVERS, "web", 5) as opened:
        yield opened


async def send(runtime: Runtime, name: str = "support", content: bytes = b'{"a": "it"}') -> EventId:
    """Have n8n send an event."""
    receiver = SERVERS[name]
    incoming = Incoming(Content({"a": "it"}, Body(content, "application/json")))
    event, _ = await runtime.web.intake.accept(receiver, receiver.hooks["ticket"], incoming)
    return event.event_id


async def take(runtime: Runtime, principal: Principal = ALICE) -> LeaseRef:
    """Have a principal take the oldest event."""
    taken = await runtime.mcp.takers.take(SERVERS[principal.server], principal, None, 0, there)
    assert taken
    return LeaseRef(taken.event.event_id, taken.token, principal)


async def start(runtime: Runtime, principal: Principal = ALICE) -> Call:
    """Have a principal run the workflow."""
    workflow = SERVERS[principal.server].workflows["parse"]
    return await runtime.mcp.calls.start(CallRequest(principal, workflow, {}, new_call_id()))


Attempt = Callable[[Runtime, LeaseRef], Awaitable[object]]

ON_EVENTS: dict[str, Attempt] = {
    "find": lambda runtime, held: runtime.mcp.events.find(held.principal.server, held.event_id),
    "read": lambda runtime, held: runtime.mcp.events.read(held.principal.server, held.event_id, ""),
    "reply": lambda runtime, held: runtime.mcp.events.reply(
        SERVERS[held.principal.server], held, {}
    ),
    "extend": lambda runtime, held: runtime.mcp.events.extend(held, 60),
    "release": lambda runtime, held: runtime.mcp.events.release(
        held, reason="", delay_s=0, dead=False
    ),
}
ON_CALLS: dict[str, Callable[[Runtime, CallId, Principal], Awaitable[object]]] = {
    "wait": lambda runtime, call_id, who: runtime.mcp.calls.wait(call_id, who, 0),
    "cancel": lambda runtime, call_id, who: runtime.mcp.calls.cancel(call_id, who),
}


@pytest.mark.parametrize("verb", ON_EVENTS)
async def test_an_event_of_another_server_is_unknown_to_every_verb(
    runtime: Runtime, verb: str
) -> None:
    await send(runtime)
    held = await take(runtime)
    foreign = LeaseRef(held.event_id, held.token, STRANGER)
    unknown = LeaseRef(EventId("evt_unknown"), LeaseToken("none"), STRANGER)

    with pytest.raises(NotFoundError) as of_another:
        await ON_EVENTS[verb](runtime, foreign)
    with pytest.raises(NotFoundError) as of_nobody:
        await ON_EVENTS[verb](runtime, unknown)

    assert str(of_another.value) == str(of_nobody.value)
    assert (await runtime.mcp.events.find("support", held.event_id)).status is EventStatus.LEASED


@pytest.mark.parametrize("verb", ["reply", "extend", "release"])
async def test_a_lease_of_another_principal_is_as_good_as_none(runtime: Runtime, verb: str) -> None:
    await send(runtime)
    held = await take(runtime)

    with pytest.raises(LeaseLostError) as stolen:
        await ON_EVENTS[verb](runtime, LeaseRef(held.event_id, held.token, BOB))
    with pytest.raises(LeaseLostError) as made_up:
        await ON_EVENTS[verb](runtime, LeaseRef(held.event_id, LeaseToken("none"), BOB))

    assert str(stolen.value) == str(made_up.value)


@pytest.mark.parametrize("verb", ON_CALLS)
@pytest.mark.parametrize("other", [BOB, STRANGER], ids=["principal", "server"])
async def test_a_call_of_another_is_unknown_to_every_verb(
    runtime: Runtime, verb: str, other: Principal
) -> None:
    call = await start(runtime)

    with pytest.raises(NotFoundError) as of_another:
        await ON_CALLS[verb](runtime, call.call_id, other)
    with pytest.raises(NotFoundError) as of_nobody:
        await ON_CALLS[verb](runtime, CallId("call_unknown"), other)

    assert str(of_another.value) == str(of_nobody.value)
    assert not (await runtime.mcp.calls.wait(call.call_id, ALICE, 0)).status.is_final


ON_EVENT_TOOLS: list[tuple[str, dict[str, Any]]] = [
    ("read_event", {}),
    ("read_event", {"path": "/a"}),
    ("reply_to_event", {"reply": {}}),
    ("reply_to_event", {"reply": 7}),
    ("extend_event", {"seconds": 60}),
    ("release_event", {}),
    ("release_event", {"dead": True}),
]


@pytest.mark.parametrize(("tool", "rest"), ON_EVENT_TOOLS)
async def test_an_event_of_another_server_is_unknown_to_every_tool(
    runtime: Runtime, tool: str, rest: dict[str, Any]
) -> None:
    await send(runtime)
    held = await take(runtime)
    lease = {} if tool == "read_event" else {"lease": held.token}

    foreign = await call_tool(runtime, STRANGER, tool, event_id=held.event_id, **lease, **rest)
    unknown = await call_tool(runtime, STRANGER, tool, event_id="evt_unknown", **lease, **rest)

    assert foreign["isError"]
    assert foreign == unknown
    assert (await runtime.mcp.events.find("support", held.event_id)).status is EventStatus.LEASED


@pytest.mark.parametrize(("tool", "rest"), ON_EVENT_TOOLS[2:3] + ON_EVENT_TOOLS[4:])
async def test_a_lease_of_another_principal_opens_nothing_to_any_tool(
    runtime: Runtime, tool: str, rest: dict[str, Any]
) -> None:
    await send(runtime)
    held = await take(runtime)
    at = {"event_id": held.event_id, **rest}

    stolen = await call_tool(runtime, BOB, tool, lease=held.token, **at)
    made_up = await call_tool(runtime, BOB, tool, lease="none", **at)

    assert stolen["isError"]
    assert stolen == made_up
    assert await runtime.mcp.events.extend(held, 60)


@pytest.mark.parametrize("tool", ["read_call", "cancel_call"])
@pytest.mark.parametrize("other", [BOB, STRANGER], ids=["principal", "server"])
async def test_a_call_of_another_is_unknown_to_every_tool(
    runtime: Runtime, tool: str, other: Principal
) -> None:
    call = await start(runtime)

    foreign = await call_tool(runtime, other, tool, call_id=call.call_id)
    unknown = await call_tool(runtime, other, tool, call_id="call_unknown")

    assert foreign["isError"]
    assert foreign == unknown
    assert (await told(runtime, ALICE, "read_call", call_id=call.call_id))["status"] == "queued"


async def test_every_principal_of_a_server_sees_its_events(runtime: Runtime) -> None:
    event_id = await send(runtime)

    for principal in (ALICE, BOB):
        (row,) = (await told(runtime, principal, "list_events"))["events"]
        assert row["event_id"] == event_id
        read = await told(runtime, principal, "read_event", event_id=event_id)
        assert read["value"] == {"a": "it"}


async def test_lists_and_takers_of_another_server_see_nothing(runtime: Runtime) -> None:
    await send(runtime)

    assert (await told(runtime, STRANGER, "list_events"))["events"] == []
    assert (await told(runtime, STRANGER, "take_event"))["event_id"] is None


@pytest.mark.parametrize("other", [BOB, STRANGER], ids=["principal", "server"])
async def test_a_list_of_calls_shows_ones_own_only(runtime: Runtime, other: Principal) -> None:
    call = await start(runtime)

    assert (await told(runtime, other, "list_calls"))["calls"] == []
    (row,) = (await told(runtime, ALICE, "list_calls"))["calls"]
    assert row["call_id"] == call.call_id


async def test_a_cursor_of_one_server_shows_nothing_of_it_to_another(runtime: Runtime) -> None:
    for _ in range(3):
        await send(runtime)
    page = await told(runtime, ALICE, "list_events", limit=1)

    other = await told(runtime, STRANGER, "list_events", cursor=page["next_cursor"])

    assert other["events"] == []


@pytest.mark.parametrize("tool", ["list_events", "list_calls"])
async def test_a_made_up_cursor_is_refused_with_a_sentence(runtime: Runtime, tool: str) -> None:
    assert "next_cursor" in await refused(runtime, ALICE, tool, cursor="x" * 5000)


@pytest.mark.parametrize("text", ["\ud800", "\0", "a:b:*", "🦀" * 5000, ""])
async def test_hostile_ids_are_unknown_to_every_tool(runtime: Runtime, text: str) -> None:
    await send(runtime)

    for tool, rest in ON_EVENT_TOOLS:
        lease = {} if tool == "read_event" else {"lease": text}
        assert await refused(runtime, ALICE, tool, event_id=text, **lease, **rest)
    for tool in ("read_call", "cancel_call"):
        assert await refused(runtime, ALICE, tool, call_id=text)
    assert await send(runtime)


async def test_an_event_of_one_server_is_taken_by_its_own_taker_though_names_are_alike(
    runtime: Runtime,
) -> None:
    here, there_ = await send(runtime, "support"), await send(runtime, "sales")

    assert (await told(runtime, STRANGER, "take_event"))["event_id"] == there_
    assert (await told(runtime, ALICE, "take_event"))["event_id"] == here
