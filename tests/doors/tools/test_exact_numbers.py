"""What is shown is read by every client, and is what n8n sent to the last digit."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic_core import from_json

from bridge.configuration.servers import Server
from bridge.formats.json_text import DEPTH_MAX, encode
from bridge.mcp.tool_results import SHOWN_DEPTH_MAX
from bridge.models import CallStatus, Message, Principal, new_call_id, new_lease_token
from bridge.verbs.calls import CallRequest
from tests.apps import BASE, RunningApp, running_app
from tests.doors.by_hand import call, messages, open_session
from tests.tools import call_tool, told

ALICE = Principal("office", "alice")
HEADERS = {"authorization": "Bearer n8n", "content-type": "application/json"}
OFFICE = Server.model_validate(
    {
        "name": "office",
        "hooks": {"mail": {"auth": {"bearer": "n8n"}}},
        "workflows": {
            "report": {
                "url": "http://n8n:5678/webhook/report",
                "result": "callback",
                "answer_inline_for": "0s",
                "input": {"type": "object"},
                "attach": False,
            }
        },
    }
)
KEPT = [
    '{"a":9007199254740992}',
    "[0.1,1.5e+300,-5,1e2]",
    '{"9007199254740993":"1234567890123456789"}',
]
CHANGED = [
    "1234567890123456789",
    '{"message_id":1234567890123456789,"name":"x"}',
    '{"rows":[[{"amount":12345678901234567.89}]]}',
    "[-9007199254740993]",
    '{"tiny":1E-400}',
]


@pytest.fixture(params=[True, False], ids=["trimmed", "whole"])
async def door(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[RunningApp]:
    server = OFFICE.model_copy(update={"trim_context": request.param})
    async with running_app(redis_url, server) as running:
        yield running


async def send(door: RunningApp, body: str, **headers: str) -> Message:
    answer = await door.client.post(
        "/hooks/office/mail", content=body, headers={**HEADERS, **headers}
    )
    assert answer.status_code in (200, 202), answer.text
    sent: Message = answer.json(parse_float=Decimal)
    return sent


async def keep(door: RunningApp, result: str) -> str:
    """Have a call end with a result that is kept as this text; returns its id."""
    workflow = door.runtime.mcp.servers["office"].workflows["report"]
    call = await door.runtime.mcp.calls.start(CallRequest(ALICE, workflow, {}, new_call_id()))
    running = await door.runtime.stores.runs.lease(call.call_id, new_lease_token())
    assert running
    assert await door.runtime.stores.runs.finish(
        running, CallStatus.SUCCEEDED, result=result.encode()
    )
    return call.call_id


async def ask(door: RunningApp, tool: str, /, **arguments: Any) -> Message:
    return await told(door.runtime, ALICE, tool, **arguments)


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def nested(levels: int) -> str:
    return "[" * levels + "1" + "]" * levels


async def test_a_number_that_javascript_would_change_has_the_whole_value_told_as_text(
    door: RunningApp,
) -> None:
    for body in CHANGED:
        sent, call_id = await send(door, body), await keep(door, body)
        taken = await ask(door, "take_event")
        assert (taken["partial"], taken["next_offset"]) == (True, None)
        read = await ask(door, "read_event", event_id=sent["event_id"])
        result = await ask(door, "read_call", call_id=call_id)
        assert (result["partial"], result["next_offset"]) == (True, None)
        for text in (taken["payload"], read["text"], result["result"]):
            assert exact(text) == exact(body)
    part = await send(door, CHANGED[1])
    read = await ask(door, "read_event", event_id=part["event_id"], path="/message_id")
    assert read["text"] == "1234567890123456789"
    read = await ask(door, "read_event", event_id=part["event_id"], path="/name")
    assert read["value"] == "x"


async def test_a_number_that_javascript_keeps_is_shown_as_it_is(door: RunningApp) -> None:
    for body in KEPT:
        await send(door, body)
        call_id = await keep(door, body)
        assert (await ask(door, "take_event"))["payload"] == json.loads(body)
        assert (await ask(door, "read_call", call_id=call_id))["result"] == json.loads(body)


async def test_a_reply_reaches_n8n_with_the_digits_that_it_was_given(door: RunningApp) -> None:
    sent = await send(door, "1")
    taken = await ask(door, "take_event")
    reply = Decimal("12345678901234567.89")
    await ask(
        door, "reply_to_event", event_id=sent["event_id"], lease=taken["lease"], reply=[reply]
    )
    answer = await door.client.get(f"/events/{sent['event_id']}", headers=HEADERS)
    assert exact(answer.text)["reply"]["value"] == [reply]


async def test_digits_get_through_the_wire_and_back(door: RunningApp) -> None:
    session = await open_session(door.client, f"{BASE}/mcp/office")

    async def post(tool: str, **given: Any) -> Message:
        headers = {**session.headers, "content-type": "application/json"}
        content = encode(call(tool, **given))
        answer = await session.http.post(session.url, content=content, headers=headers)
        result: Message = [event async for event in messages(answer)][-1].message["result"]
        told: Message = result["structuredContent"]
        return told

    amount = Decimal("12345678901234567.89")
    sent = await send(door, "1")
    patience = Decimal("0.1000000000000000000001")
    taken = await post("take_event", wait_seconds=patience)
    held = {"event_id": sent["event_id"], "lease": taken["lease"]}
    await post("extend_event", **held, seconds=60 + patience)
    await post("reply_to_event", **held, reply={"amount": amount})
    shown = await door.client.get(f"/events/{sent['event_id']}", headers=HEADERS)
    assert exact(shown.text)["reply"]["value"] == {"amount": amount}
    handle = await post("report", amount=amount)
    kept = await door.runtime.mcp.calls.wait(handle["call_id"], Principal("office", "local"), 0)
    assert exact(kept.arguments.decode()) == {"amount": amount}
    part = await post("read_call", call_id=handle["call_id"], wait_seconds=patience)
    assert part["status"] == "queued"


async def test_answers_of_hooks_hold_no_blanks_so_that_scripts_may_cut_them(
    door: RunningApp,
) -> None:
    answer = await door.client.post("/hooks/office/mail", content="1", headers=HEADERS)
    assert answer.text.startswith('{"event_id":"evt_')
    shown = await door.client.get(f"/events/{answer.json()['event_id']}", headers=HEADERS)
    assert shown.text.startswith('{"event_id":"evt_')


async def test_what_nests_too_deep_for_a_client_is_told_as_text(door: RunningApp) -> None:
    for levels in (SHOWN_DEPTH_MAX, SHOWN_DEPTH_MAX + 1, DEPTH_MAX):
        body, is_shown = nested(levels), levels <= SHOWN_DEPTH_MAX
        call_id = await keep(door, body)
        await send(door, body)
        taken = await call_tool(door.runtime, ALICE, "take_event")
        result = await call_tool(door.runtime, ALICE, "read_call", call_id=call_id)
        assert all(from_json(json.dumps(answer)) for answer in (taken, result))
        expected = json.loads(body) if is_shown else body
        assert taken["structuredContent"]["payload"] == expected
        assert result["structuredContent"]["result"] == expected
        assert ("partial" in taken["structuredContent"]) is not is_shown


@pytest.mark.parametrize(
    "kept", [nested(250), nested(900), nested(20_000), '{"score": Infinity}', '{"score": NaN}']
)
async def test_a_result_that_an_older_version_kept_is_readable(door: RunningApp, kept: str) -> None:
    call_id = await keep(door, kept)
    for response_format in ("concise", "detailed"):
        read = {"call_id": call_id, "response_format": response_format}
        text, offset = "", 0
        while True:
            part = await ask(door, "read_call", **read, offset=offset)
            text += part["result"]
            if part["next_offset"] is None:
                break
            offset = part["next_offset"]
        assert text.replace(" ", "") == kept.replace(" ", "")
