"""JSON as clients really write it, on the wires: halves of emojis, numbers beyond a double."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp_types.jsonrpc import INVALID_REQUEST

from bridge.configuration.servers import Server
from tests.apps import RunningApp, running_app
from tests.doors.by_hand import BOTH, ME, VERSION_2025

HALF, MENDED = r'"cut \ud83d"', "cut \ufffd"
OFFICE = Server.model_validate(
    {
        "name": "office",
        "hooks": {"mail": {"auth": {"bearer": "n8n"}}},
        "workflows": {"report": {"url": "http://n8n/w", "input": {"type": "object"}}},
    }
)


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, OFFICE) as running:
        yield running


async def send(door: RunningApp, text: str, session: str | None) -> tuple[int, str, Any]:
    """Post a message as it stands; returns status, session and the message that came back."""
    known = {"mcp-session-id": session, "mcp-protocol-version": VERSION_2025} if session else {}
    answer = await door.client.post(
        "/mcp-2025/office",
        content=text,
        headers={"accept": BOTH, "content-type": "application/json", **known},
    )
    data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    found = json.loads(data[-1] if data else answer.text or "null")
    return answer.status_code, answer.headers.get("mcp-session-id", ""), found


def call(name: str, arguments: str) -> str:
    params = f'{{"name":"{name}","arguments":{arguments}}}'
    return f'{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}'


async def opened(door: RunningApp) -> str:
    params = {"protocolVersion": VERSION_2025, "capabilities": {}, "clientInfo": ME}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    return (await send(door, json.dumps(message), None))[1]


async def test_half_an_emoji_in_payload_reply_and_arguments_is_told_alike(door: RunningApp) -> None:
    sent = await door.client.post(
        "/hooks/office/mail",
        content=HALF,
        headers={"authorization": "Bearer n8n", "content-type": "application/json"},
    )
    session = await opened(door)
    _, _, taken = await send(door, call("take_event", "{}"), session)
    event = taken["result"]["structuredContent"]
    named = f'"event_id":"{event["event_id"]}","lease":"{event["lease"]}"'
    await send(door, call("reply_to_event", f'{{{named},"reply":{HALF}}}'), session)
    status = await door.client.get(
        sent.json()["status_url"], headers={"authorization": "Bearer n8n"}
    )
    _, _, unknown = await send(door, call("take_event", f'{{"hook":{HALF}}}'), session)

    assert event["payload"] == MENDED
    assert status.json()["reply"]["value"] == MENDED
    assert MENDED in unknown["result"]["content"][0]["text"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ('{"rows":[1,{"n":1e999}]}', -32602, "the number 1e999 at /params/arguments/rows/1/n is"),
        ("[" * 300 + "]" * 300, -32700, "nested deeper than 200"),
        (r'{"\ud83d":1,"\ud83e":2}', -32700, "two keys of one object"),
        ('{"a"}', -32700, "line 1 column"),
    ],
)
async def test_arguments_that_cannot_be_taken_are_refused_by_their_place_to_the_request(
    door: RunningApp, arguments: str, code: int, said: str
) -> None:
    session = await opened(door)

    status, _, refused = await send(door, call("report", arguments), session)

    is_json = arguments != '{"a"}'
    assert (status, refused["id"]) == (400, 7 if is_json else None)
    assert refused["error"]["code"] == code
    assert said in refused["error"]["message"]


@pytest.mark.parametrize("params", ["5", "true", '"requestId"', "[1]"])
@pytest.mark.parametrize(
    "head", ['"id":7,"method":"tools/call"', '"method":"notifications/cancelled"']
)
async def test_params_that_are_no_object_are_no_message(
    door: RunningApp, head: str, params: str
) -> None:
    session = await opened(door)

    status, _, said = await send(door, f'{{"jsonrpc":"2.0",{head},"params":{params}}}', session)

    assert (status, said["error"]["code"]) == (400, INVALID_REQUEST)
    assert said["id"] == (7 if "id" in head else None)
    assert "params" in said["error"]["message"]
