"""What Claude is offered: few tokens, and all that a client may expect of a list of tools."""

import re
from typing import Any

import pytest

from bridge.configuration.servers import Server, Workflow
from bridge.mcp.endpoint import tools_of
from bridge.mcp.workflow_tools import output_schema
from bridge.schemas.compile import faults_in_schema, faults_in_value
from tests.tokens.counting import ENCODINGS, compact, count
from tests.tokens.office import office

BUDGET = 3000
EVERY_TYPE = ["object", "array", "string", "number", "boolean", "null"]

LISTED: list[dict[str, Any]] = [
    tool.describe().model_dump(by_alias=True, mode="json", exclude_none=True)
    for tool in tools_of(office()).values()
]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ten_workflows_and_all_of_the_bridge_s_own_tools_stay_within_the_budget(
    encoding: str,
) -> None:
    assert len(office().workflows) == 10
    assert count(compact(LISTED), encoding) <= BUDGET


@pytest.mark.parametrize("tool", LISTED, ids=lambda tool: tool["name"])
def test_a_tool_has_a_name_a_title_and_says_what_it_does_to_the_world(tool: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", tool["name"])
    assert tool["title"]
    assert tool["description"]
    said = tool["annotations"]
    assert isinstance(said["readOnlyHint"], bool)
    assert isinstance(said["destructiveHint"], bool)
    assert not (said["readOnlyHint"] and said["destructiveHint"])
    assert said["readOnlyHint"] or {"idempotentHint", "openWorldHint"} <= set(said)


@pytest.mark.parametrize("tool", LISTED, ids=lambda tool: tool["name"])
def test_a_tool_s_schemas_are_sound_and_of_objects(tool: dict[str, Any]) -> None:
    for schema in (tool["inputSchema"], tool.get("outputSchema", {"type": "object"})):
        assert schema["type"] == "object"
        assert faults_in_schema(schema) == ()


def test_only_the_few_tools_of_every_turn_are_loaded_always() -> None:
    always = {tool["name"] for tool in LISTED if tool.get("_meta", {}).get("anthropic/alwaysLoad")}
    assert always == {"take_event", "reply_to_event", "read_call"}


def test_what_may_be_long_is_shown_whole_up_to_the_bridge_s_own_limit() -> None:
    key = "anthropic/maxResultSizeChars"
    long = {tool["name"] for tool in LISTED if tool.get("_meta", {}).get(key) == 500_000}
    assert long == {"take_event", "read_event", "read_call", *office().workflows}


@pytest.mark.parametrize(
    ("schemas", "types"),
    [
        ([{"type": "object"}, {"type": "object", "required": ["a"]}], "object"),
        ([{"type": "object"}, {"type": ["integer", "null"]}], ["object", "number", "null"]),
        ([{"type": "object"}, None], EVERY_TYPE),
        ([{"type": "object"}, {"enum": [1]}], EVERY_TYPE),
        ([], EVERY_TYPE),
    ],
)
def test_a_reply_says_its_types_so_that_no_client_makes_it_optional_or_a_text(
    schemas: list[dict[str, Any] | None], types: str | list[str]
) -> None:
    hooks = {f"h{n}": {"auth": {"bearer": "x"}, "reply": reply} for n, reply in enumerate(schemas)}
    server = Server.model_validate({"name": "s", "hooks": hooks})
    schema = tools_of(server)["reply_to_event"].input
    assert schema["properties"]["reply"]["type"] == types
    assert "reply" in schema["required"]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ({"type": "string", "pattern": r"^\p{L}+$"}, {"type": "string"}),
        ({"type": "string", "pattern": r"^{{.*}}$"}, {"type": "string"}),
        ({"pattern": "(?<year>a)"}, {}),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"},
            {"type": "object"},
        ),
        ({"type": "string", "pattern": "^(?=a)[a-z]+$"}, None),
    ],
)
def test_of_an_output_that_clients_could_not_read_its_type_alone_is_told(
    output: dict[str, Any], told: dict[str, Any] | None
) -> None:
    schema = output_schema(Workflow(url="http://n", output=output))
    assert schema["anyOf"][0] == (output if told is None else told)


def test_a_whole_output_schema_is_of_the_draft_that_the_workflow_s_names() -> None:
    draft = "http://json-schema.org/draft-07/schema#"
    output = {"$schema": draft, "type": "array", "items": [{"type": "string"}]}
    schema = output_schema(Workflow(url="http://n", output=output))
    assert schema["$schema"] == draft
    assert not faults_in_schema(schema)
    assert not faults_in_value(schema, {"result": ["a"]})
    assert faults_in_value(schema, {"result": [1]})
