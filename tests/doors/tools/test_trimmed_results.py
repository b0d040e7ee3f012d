"""What Claude is not told twice, or at all, and how it gets at it where it wants to."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.configuration.servers import Server
from bridge.formats.payloads import Content
from bridge.models import Body, Json, Principal, new_call_id, new_lease_token
from bridge.verbs.calls import CallRequest
from bridge.verbs.intake import SUMMARIZED_BYTES, Incoming
from tests.apps import RunningApp, running_app
from tests.tools import call_tool, told

ALICE = Principal("office", "alice")
OFFICE = Server.model_validate(
    {
        "name": "office",
        "hooks": {
            "mail": {"auth": {"bearer": "n8n"}},
            "form": {
                "auth": {"bearer": "n8n"},
                "payload": {"type": "object", "required": ["note"]},
            },
        },
        "workflows": {
            "report": {
                "url": "http://n8n:5678/webhook/report",
                "result": "callback",
                "attach": False,
            },
            "strict": {
                "url": "http://n8n:5678/webhook/strict",
                "result": "callback",
                "output": {"type": "object", "required": ["note"]},
            },
        },
    }
)
WHOLE = OFFICE.model_copy(update={"trim_context": False})
HARD = OFFICE.model_copy(update={"trim_context": "hard"})
RESULT_CHARS = 2000

REQUEST: dict[str, Json] = {
    "headers": {"host": "n8n", "x-shop": "north"},
    "params": {},
    "query": {},
    "body": {"order": 7, "note": None, "lines": [{"sku": "A", "gift": ""}]},
    "webhookUrl": "http://n8n:5678/webhook/orders",
    "executionMode": "production",
}
LEAN = {"body": {"order": 7, "lines": [{"sku": "A", "gift": ""}]}}


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, OFFICE, result_chars=RESULT_CHARS) as running:
        yield running


async def send(door: RunningApp, payload: Json, hook: str = "mail") -> str:
    content = Content(payload, Body(json.dumps(payload).encode(), "application/json"))
    server = door.runtime.mcp.servers["office"]
    event, _ = await door.runtime.web.intake.accept(server, server.hooks[hook], Incoming(content))
    return event.event_id


async def run(door: RunningApp, result: Json, workflow: str = "report") -> str:
    """Run a workflow to its end; returns the call's id."""
    calls, store = door.runtime.mcp.calls, door.runtime.stores.runs
    call = await calls.start(CallRequest(ALICE, OFFICE.workflows[workflow], {}, new_call_id()))
    running = await store.lease(call.call_id, new_lease_token())
    assert running
    await door.runtime.web.callbacks.succeed(call.call_id, running.secret, result)
    return call.call_id


async def ask(door: RunningApp, tool: str, /, **arguments: Any) -> dict[str, Any]:
    return await told(door.runtime, ALICE, tool, **arguments)


async def test_a_taken_event_shows_what_was_asked_and_not_how_n8n_was_called(
    door: RunningApp,
) -> None:
    await send(door, REQUEST)
    assert (await ask(door, "take_event"))["payload"] == LEAN


async def test_what_is_not_shown_is_read_by_the_pointer_that_it_has_in_what_n8n_sent(
    door: RunningApp,
) -> None:
    event_id = await send(door, REQUEST)
    for path, value in {
        "": LEAN,
        "/body": LEAN["body"],
        "/body/lines/0/sku": "A",
        "/body/note": None,
        "/headers/x-shop": "north",
        "/headers": REQUEST["headers"],
    }.items():
        assert (await ask(door, "read_event", event_id=event_id, path=path))["value"] == value


async def test_a_detailed_reading_shows_all(door: RunningApp) -> None:
    event_id = await send(door, REQUEST)
    read = await ask(door, "read_event", event_id=event_id, response_format="detailed")
    assert read["value"] == REQUEST


async def test_what_a_hook_s_schema_requires_is_shown(door: RunningApp) -> None:
    await send(door, {"note": None, "more": None}, "form")
    assert (await ask(door, "take_event"))["payload"] == {"note": None}


async def test_a_server_may_have_everything_shown(redis_url: str) -> None:
    async with running_app(redis_url, WHOLE) as door:
        event_id = await send(door, REQUEST)
        assert (await ask(door, "take_event"))["payload"] == REQUEST
        assert (await ask(door, "read_event", event_id=event_id))["value"] == REQUEST
        call_id = await run(door, {"note": None})
        assert (await ask(door, "read_call", call_id=call_id))["result"] == {"note": None}


async def test_a_server_may_have_empty_members_left_out_too(redis_url: str) -> None:
    async with running_app(redis_url, HARD) as door:
        await send(door, REQUEST)
        assert (await ask(door, "take_event"))["payload"] == {
            "body": {"order": 7, "lines": [{"sku": "A"}]}
        }
        call_id = await run(door, {"matches": [], "count": 0})
        assert (await ask(door, "read_call", call_id=call_id))["result"] == {"count": 0}


async def test_an_empty_answer_is_told(door: RunningApp) -> None:
    results: list[Json] = [{"matches": [], "count": 0}, {"x": ""}, {}, [], ""]
    for result in results:
        call_id = await run(door, result)
        assert (await ask(door, "read_call", call_id=call_id))["result"] == result


async def test_n8n_s_items_are_told_by_what_is_in_them(door: RunningApp) -> None:
    items: Json = [{"json": {"id": at, "tags": []}, "pairedItem": {"item": at}} for at in range(2)]
    call_id = await run(door, items)
    assert (await ask(door, "read_call", call_id=call_id))["result"] == [
        {"id": 0, "tags": []},
        {"id": 1, "tags": []},
    ]
    read = await ask(door, "read_call", call_id=call_id, response_format="detailed")
    assert read["result"] == items


async def test_a_result_keeps_what_its_output_schema_requires(door: RunningApp) -> None:
    call_id = await run(door, {"note": None, "more": None}, "strict")
    assert (await ask(door, "read_call", call_id=call_id))["result"] == {"note": None}


@pytest.mark.parametrize("of", ["event", "call", "events", "calls"])
async def test_whoever_holds_what_there_is_hears_that_it_is_unchanged(
    door: RunningApp, of: str
) -> None:
    long: dict[str, Json] = {"text": "x" * 500}
    ids = {"event": await send(door, long), "call": await run(door, long)}
    for _ in range(9):
        await send(door, long)
        await run(door, long)
    named = {f"{of}_id": ids[of]} if of in ids else {}
    tool = f"read_{of}" if named else f"list_{of}"
    first = await ask(door, tool, **named)
    again = await ask(door, tool, **named, if_changed_from=first["digest"])
    assert again["unchanged"]
    assert len(json.dumps(again)) < 200
    assert await ask(door, tool, **named, if_changed_from="another") == first


async def test_a_list_that_has_changed_is_told(door: RunningApp) -> None:
    for _ in range(9):
        await send(door, {"text": "x"})
    first = await ask(door, "list_events")
    await send(door, {"text": "y"})
    assert len((await ask(door, "list_events", if_changed_from=first["digest"]))["events"]) == 10


async def test_who_took_an_event_holds_its_payload(door: RunningApp) -> None:
    await send(door, {"text": "x" * 500})
    taken = await ask(door, "take_event")
    named = {"event_id": taken["event_id"]}
    held = named | {"if_changed_from": taken["digest"]}
    unchanged = named | {"path": "", "unchanged": True}
    assert await ask(door, "read_event", **held) == unchanged
    assert (await ask(door, "read_event", **held, path="/text"))["value"] == "x" * 500


@pytest.mark.parametrize("response_format", ["concise", "detailed"])
async def test_what_is_cut_says_how_to_read_on(door: RunningApp, response_format: str) -> None:
    long: Json = {"rows": [{"id": at, "note": None} for at in range(300)]}
    event_id = await send(door, long)
    text, offset = "", 0
    while True:
        asked = {"event_id": event_id, "offset": offset, "response_format": response_format}
        part = await ask(door, "read_event", **asked)
        text += part["text"]
        if part["next_offset"] is None:
            break
        offset = part["next_offset"]
        assert str(offset) in part["read_on"]
    shown = long if response_format == "detailed" else {"rows": [{"id": at} for at in range(300)]}
    assert json.loads(text) == shown


async def test_a_detailed_list_of_calls_tells_what_was_asked(door: RunningApp) -> None:
    call_id = await run(door, {"done": True})
    (concise,) = (await ask(door, "list_calls"))["calls"]
    (detailed,) = (await ask(door, "list_calls", response_format="detailed"))["calls"]
    assert_the_same_in_short(concise, detailed, "created_at")
    assert concise["call_id"] == call_id
    assert (detailed["arguments"], detailed["attempt"]) == ("{}", 1)


async def test_a_detailed_list_of_events_tells_what_became_of_them(door: RunningApp) -> None:
    await send(door, {"a": 1})
    (concise,) = (await ask(door, "list_events"))["events"]
    (detailed,) = (await ask(door, "list_events", response_format="detailed"))["events"]
    assert_the_same_in_short(concise, detailed, "received_at")
    assert detailed["reply_status"] == "none"


def assert_the_same_in_short(
    concise: dict[str, Any], detailed: dict[str, Any], moment: str
) -> None:
    """Demand that a concise row is a detailed one with less in it, and its time to the second."""
    assert re.fullmatch(r"\S+T\d\d:\d\d:\d\dZ", concise[moment])
    assert re.sub(r"\.\d{3}Z", "Z", detailed[moment]) == concise[moment]
    assert concise == {name: detailed[name] for name in concise} | {moment: concise[moment]}


@pytest.mark.parametrize("server", [OFFICE, WHOLE], ids=["lean", "whole"])
async def test_a_list_shows_the_start_of_an_event_as_it_is_shown_when_taken(
    redis_url: str, server: Server
) -> None:
    async with running_app(redis_url, server) as door:
        await send(door, REQUEST)
        (row,) = (await ask(door, "list_events"))["events"]
        taken = (await ask(door, "take_event"))["payload"]
    assert (
        json.dumps(taken).replace(" ", "").startswith(row["summary"].replace(" ", "").rstrip("…"))
    )


async def test_what_is_long_is_summarized_as_it_came(door: RunningApp) -> None:
    await send(door, REQUEST | {"body": "x" * SUMMARIZED_BYTES})
    (row,) = (await ask(door, "list_events"))["events"]
    assert row["summary"].startswith('{"headers"')


@pytest.mark.parametrize("server", [OFFICE, WHOLE], ids=["lean", "whole"])
async def test_who_names_an_event_to_change_it_is_not_told_its_name_unless_all_is_shown(
    redis_url: str, server: Server
) -> None:
    async with running_app(redis_url, server) as door:
        await send(door, {"a": 1})
        taken = await ask(door, "take_event")
        named = {"event_id": taken["event_id"]}
        held = named | {"lease": taken["lease"]}
        extended = await ask(door, "extend_event", **held, seconds=60)
        released = await ask(door, "release_event", **held)
        again = {"event_id": taken["event_id"], "lease": (await ask(door, "take_event"))["lease"]}
        replied = await ask(door, "reply_to_event", **again, reply={"answer": "yes"})
    repeated = {} if server.trim_context else named
    assert extended == repeated | {"lease_until": extended["lease_until"]}
    assert released == repeated | {"status": "queued"}
    assert replied == repeated | {"status": "answered", "reply_status": "none"}


@pytest.mark.parametrize("client", ["", "some-agent", "claude-code"])
async def test_only_a_client_that_reads_structure_is_spared_the_same_in_text(
    door: RunningApp, client: str
) -> None:
    result = await call_tool(door.runtime, ALICE, "list_events", client=client)
    assert result["structuredContent"] == {"events": [], "next_cursor": None}
    (block,) = result["content"]
    if client == "claude-code":
        assert block["text"] == "See structuredContent."
    else:
        assert json.loads(block["text"]) == result["structuredContent"]


async def test_an_error_is_told_in_text_to_every_client(door: RunningApp) -> None:
    result = await call_tool(door.runtime, ALICE, "read_call", client="claude-code", call_id="none")
    assert result["isError"]
    assert result["content"][0]["text"] == "no such call"
