"""What a tool answers is what its output schema says, whatever n8n gave and however it is told."""

import json
from collections.abc import AsyncIterator
from typing import Any

import mcp_types as types
import pytest

from bridge.configuration.servers import Server
from bridge.mcp.tools import Caller
from bridge.mcp.workflow_tools import output_schema, tell
from bridge.models import Json, Principal, new_call_id, new_lease_token
from bridge.schemas.compile import faults_in_value
from bridge.verbs.calls import CallRequest
from tests.apps import RunningApp, running_app

ALICE = Principal("office", "alice")
ROWS = {"type": "array", "items": {"$ref": "#/$defs/row"}, "$defs": {"row": {"required": ["id"]}}}
OUTPUTS: dict[str, dict[str, Any] | None] = {
    "anything": None,
    "an_object": {
        "type": "object",
        "properties": {"text": {"type": "string"}, "note": {"type": ["string", "null"]}},
        "required": ["text", "note"],
        "additionalProperties": False,
    },
    "rows": ROWS,
    "tuple": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "items": [{"type": "string"}, {"$ref": "#/definitions/count"}],
        "definitions": {"count": {"type": "integer"}},
    },
    "old": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {
            "n": {"minimum": 1, "exclusiveMinimum": True},
            "m": {"$ref": "#/properties/n"},
        },
    },
    "either": {"anyOf": [{"type": "object", "minProperties": 2}, {"type": "string"}]},
}
RESULTS: list[tuple[str, Json]] = [
    ("anything", {"a": 1, "b": None}),
    ("anything", None),
    ("anything", []),
    ("anything", "text"),
    ("anything", [{"json": {"a": 1}, "pairedItem": {"item": 0}}]),
    ("anything", {"text": "x" * 3000}),
    ("an_object", {"text": "a", "note": None}),
    ("an_object", {"text": "x" * 3000, "note": "b"}),
    ("rows", [{"id": None, "note": None}, {"id": 2, "tags": []}]),
    ("rows", []),
    ("rows", [{"id": 2**53 + 1}]),
    ("rows", [{"id": json.loads("[" * 60 + "]" * 60)}]),
    ("tuple", ["a", 1]),
    ("old", {"n": 2, "m": 3}),
    ("either", {"a": 1, "b": None}),
    ("either", ""),
]
OFFICE = Server.model_validate(
    {
        "name": "office",
        "workflows": {
            name: {
                "url": f"http://n8n:5678/webhook/{name}",
                "result": "callback",
                "attach": False,
                **({"output": output} if output else {}),
            }
            for name, output in OUTPUTS.items()
        },
    }
)


@pytest.fixture(params=[True, False], ids=["trimmed", "whole"])
async def door(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[RunningApp]:
    server = OFFICE.model_copy(update={"trim_context": request.param})
    async with running_app(redis_url, server, result_chars=1000) as running:
        yield running


@pytest.mark.parametrize(("name", "result"), RESULTS)
async def test_a_handle_and_a_result_are_what_the_output_schema_says(
    door: RunningApp, name: str, result: Json
) -> None:
    runtime = door.runtime
    server = runtime.mcp.servers["office"]
    workflow, caller = server.workflows[name], Caller(runtime.mcp, server, ALICE)
    call = await runtime.mcp.calls.start(CallRequest(ALICE, workflow, {}, new_call_id()))
    running = await runtime.stores.runs.lease(call.call_id, new_lease_token())
    assert running
    open_call = await runtime.mcp.calls.wait(call.call_id, ALICE, 0)
    await runtime.web.callbacks.succeed(call.call_id, running.secret, result)
    ended_call = await runtime.mcp.calls.wait(call.call_id, ALICE, 0)
    for found in (open_call, ended_call):
        told, joined = [tell(found, caller, attached=attached) for attached in (False, True)]
        for each in (told, joined):
            assert not each.is_error
            assert faults_in_value(output_schema(workflow), each.structured_content) == ()
        own, said = told.structured_content, joined.structured_content
        assert own
        assert said
        assert said.pop("attached_to") == call.call_id
        is_whole = found is ended_call and "partial" not in own
        assert (said["result"] if is_whole else said) == own
        assert "not run again" in said.get("next", "not run again") or not is_whole


@pytest.mark.parametrize("attached", [False, True])
async def test_a_failure_of_an_earlier_call_says_that_it_is_one(
    door: RunningApp, attached: bool
) -> None:
    runtime = door.runtime
    server = runtime.mcp.servers["office"]
    asked = CallRequest(ALICE, server.workflows["anything"], {}, new_call_id())
    call = await runtime.mcp.calls.start(asked)
    await runtime.mcp.calls.cancel(call.call_id, ALICE)
    told = tell(
        await runtime.mcp.calls.wait(call.call_id, ALICE, 0),
        Caller(runtime.mcp, server, ALICE),
        attached=attached,
    )
    assert told.is_error
    (block,) = told.content
    assert isinstance(block, types.TextContent)
    assert ("not run again" in block.text) == attached
