"""What `discover` knows of a workflow's input and name, from what n8n says of its nodes."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.authoring.checking.agreement import disagreements
from bridge.authoring.discovery.inputs import input_of, schema_in, without_schema
from bridge.authoring.discovery.tools import Choice, free_name, tools_of
from bridge.authoring.discovery.webhooks import webhooks_of
from bridge.authoring.naming import tool_name
from bridge.configuration.fields import BUILT_IN_TOOLS
from bridge.configuration.servers import Workflow
from bridge.n8n.api import Node, WorkflowRecord

OBJECT = '{"type": "object", "properties": {"a": {}}}'


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        (OBJECT, True),
        (f"Some words.\n\n```json\n{OBJECT}\n```\nMore.", True),
        (f"```\n{OBJECT}\n```", True),
        ('{"properties": {"a": {}}}', True),
        ("```json\n[1]\n```", False),
        ("```json\n{broken\n```", False),
        ('{"type": "string"}', False),
        ("", False),
    ],
)
def test_a_schema_is_found_where_people_write_one(text: str, is_found: bool) -> None:
    assert (schema_in(text) is not None) is is_found


def test_a_description_is_told_without_the_schema_in_it() -> None:
    text = f"Reads.\n\n```json\n{OBJECT}\n```\n\n```\nexample\n```"
    assert without_schema(text) == "Reads.\n\n\n\n```\nexample\n```"


def test_a_sample_is_the_shape_of_what_is_taken_and_none_of_its_values() -> None:
    sample = {"orderId": 7, "parts": [1, "one", None], "note": None}
    of_pinned = workflow(path="a").model_copy(
        update={"pin_data": {"Webhook": [{"json": {"body": sample}}]}}
    )
    trigger = {
        "type": "n8n-nodes-base.executeWorkflowTrigger",
        "parameters": {"jsonExample": json.dumps(sample)},
    }
    of_example = workflow(path="a").model_copy(
        update={"nodes": (*workflow(path="a").nodes, Node.model_validate(trigger))}
    )
    expected = {
        "type": "object",
        "properties": {
            "orderId": {"type": "integer", "description": "The order id."},
            "parts": {"type": "array", "description": "The parts."},
            "note": {"description": "The note."},
        },
        "required": ["orderId", "parts"],
    }
    for made in (of_pinned, of_example):
        assert input_of(made, made.nodes[0], reads_pinned=True).schema == expected


@given(
    st.text(),
    st.text(string.ascii_letters + string.digits, min_size=1, max_size=16),
    st.integers(24, 64),
)
def test_every_name_that_people_give_becomes_a_free_name_of_a_tool(
    told: str, workflow_id: str, chars: int
) -> None:
    taken = {*BUILT_IN_TOOLS, free_name(told, workflow_id, set(), chars)}
    name = free_name(told, workflow_id, taken, chars)
    assert name not in taken
    assert 0 < len(name) <= chars
    assert set(name) <= set(string.ascii_lowercase + string.digits + "_")


CHARS = 55
"""What Claude's API leaves to the names of tools beside `mcp__n8n__`."""


def workflow(of: tuple[str, str] | None = None, **webhook: Any) -> WorkflowRecord:
    node = {"name": "Webhook", "type": "n8n-nodes-base.webhook", "parameters": webhook}
    if of:
        node["credentials"] = {"any": {"name": of[0], "id": of[1]}}
    return WorkflowRecord.model_validate({"id": "w1", "name": "One", "nodes": [node]})


@pytest.mark.parametrize(
    ("webhook", "why"),
    [
        ({"path": "a/:id"}, "its path has a parameter"),
        ({"path": ":id"}, "its path has a parameter"),
        ({"path": "a", "authentication": "n8nOAuth2"}, "lets in people of n8n only"),
        ({"path": "a", "responseMode": "streaming"}, "its webhook streams"),
        ({"path": "a", "httpMethod": ["OPTIONS"]}, "takes no method that a tool has"),
    ],
)
def test_a_webhook_that_no_tool_can_call_is_passed_over_with_the_reason(
    webhook: dict[str, Any], why: str
) -> None:
    found = tools_of([workflow(**webhook)], Choice(takes_all=True), CHARS)
    assert found.tools == []
    assert why in found.passed_over[0].why


def test_two_credentials_of_one_name_have_two_variables() -> None:
    found = tools_of(
        [
            workflow(path="a", authentication="headerAuth", of=("Key!", "k1")),
            workflow(path="b", authentication="jwtAuth", of=("key", "k2")),
            workflow(path="c", authentication="headerAuth", of=("Key!", "k1")),
        ],
        Choice(takes_all=True),
        CHARS,
    )
    assert [tool.secrets for tool in found.tools] == [("N8N_KEY",), ("N8N_KEY_K2",), ("N8N_KEY",)]


def test_a_note_that_is_too_long_for_a_description_is_shortened() -> None:
    made = WorkflowRecord.model_validate(
        {
            "id": "w1",
            "name": "One",
            "nodes": [
                {"type": "n8n-nodes-base.webhook", "parameters": {"path": "a"}},
                {"type": "n8n-nodes-base.stickyNote", "parameters": {"content": "word " * 5000}},
            ],
        }
    )
    description = tools_of([made], Choice(takes_all=True), CHARS).tools[0].entry["description"]
    assert len(description) <= 4096
    assert description.startswith("word word")
    assert description.endswith(" word…")


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Größe & Maß", "grosse_mass"),
        ("Café Señor", "cafe_senor"),
        ("ﬁle №5", "file_no5"),
        ("名前", ""),
    ],
)
def test_letters_with_marks_lose_them(told: str, name: str) -> None:
    assert tool_name(told) == name


def test_a_disabled_node_and_an_unpublished_draft_are_not_looked_at() -> None:
    made = WorkflowRecord.model_validate(
        {
            "id": "w1",
            "name": "One",
            "nodes": [{"type": "n8n-nodes-base.webhook", "parameters": {"path": "draft"}}],
            "activeVersion": {
                "nodes": [
                    {"type": "n8n-nodes-base.webhook", "parameters": {"path": "live"}},
                    {
                        "type": "n8n-nodes-base.webhook",
                        "parameters": {"path": "off"},
                        "disabled": True,
                    },
                ]
            },
        }
    )
    found = tools_of([made], Choice(takes_all=True), CHARS)
    assert [tool.entry["url"] for tool in found.tools] == ["${BRIDGE_N8N_URL}/webhook/live"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["values", "fieldLabel", "fieldOptions", "option", "name", "type", "body"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)
parameters = st.dictionaries(
    st.sampled_from(
        [
            *("path", "httpMethod", "authentication", "responseMode", "options", "content"),
            *("formFields", "workflowInputs", "jsonExample"),
        ]
    ),
    anything,
    max_size=4,
)
kinds = st.sampled_from(["webhook", "formTrigger", "executeWorkflowTrigger", "stickyNote"])


@given(st.lists(st.tuples(kinds, parameters), min_size=1, max_size=3), anything)
def test_no_parameter_of_a_node_is_too_strange_to_be_read(
    nodes: list[tuple[str, dict[str, Any]]], schema: Any
) -> None:
    notes = json.dumps({"type": "object", "required": schema, "properties": schema})
    given = [
        {"type": f"n8n-nodes-base.{kind}", "parameters": parameters, "notes": notes * (at % 2)}
        for at, (kind, parameters) in enumerate(nodes)
    ]
    made = WorkflowRecord.model_validate({"id": "w1", "name": "One", "nodes": given})
    tools_of([made], Choice(takes_all=True, reads_pinned=True), CHARS)
    called = Workflow.model_validate({"url": "http://n8n/webhook/a"})
    for webhook in webhooks_of(made, made.nodes):
        list(disagreements(called, webhook))
