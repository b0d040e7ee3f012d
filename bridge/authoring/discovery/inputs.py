"""What a workflow takes, as a JSON Schema: a Webhook node cannot say it, so it is looked for.

In this order: a schema written down (in the Webhook node's notes, the workflow's description or a
sticky note), the fields of a form, the inputs of a sub-workflow, the pinned data of the webhook
where that is opted in, and at last the members of the body that the nodes name.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.authoring.guessing import schema_of
from bridge.configuration.raw import mapping, text
from bridge.n8n.api import Node, WorkflowRecord

Schema = dict[str, Any]

FORM = "n8n-nodes-base.formTrigger"
SUB_WORKFLOW = "n8n-nodes-base.executeWorkflowTrigger"
STICKY_NOTE = "n8n-nodes-base.stickyNote"

FIELD_TYPES: Mapping[str, Schema] = {
    "number": {"type": "number"},
    "date": {"type": "string", "format": "date"},
    "email": {"type": "string", "format": "email"},
}
"""What a form's field holds, where it is not just text."""
INPUT_TYPES = frozenset({"string", "number", "boolean", "array", "object"})

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_NAMED_IN_BODY = re.compile(
    r"\$(?:json|\(\s*['\"][^'\"]+['\"]\s*\)\.(?:item|first\(\)|last\(\))\.json)"
    r"\.body(?:\.([A-Za-z_]\w*)|\[\s*['\"]([^'\"]+)['\"]\s*\])"
)


_ARGUMENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""A name that Claude takes for an argument."""


@dataclass(frozen=True)
class Input:
    """What a tool takes, and where that is known from; `is_said` is False for a guess."""

    schema: Schema
    source: str
    is_said: bool = True


def input_of(workflow: WorkflowRecord, webhook: Node, *, reads_pinned: bool) -> Input:
    """Return the best that is known of what a workflow's webhook takes."""
    nodes = workflow.published
    for source, told in _texts(workflow, webhook, nodes):
        if (schema := schema_in(told)) is not None:
            return Input(schema, source)
    for node in nodes:
        if node.type == FORM and (fields := _of_form(node)):
            return Input(fields, f"the form “{node.name}”")
        if node.type == SUB_WORKFLOW and (fields := _of_sub_workflow(node)):
            return Input(fields, f"the inputs of “{node.name}”")
    if reads_pinned and (body := _pinned_body(workflow, webhook)) is not None:
        return Input(schema_of(body), "pinned data", is_said=False)
    names = [name for name in dict.fromkeys(_names_in(nodes)) if _ARGUMENT.fullmatch(name)]
    if names:
        properties: Schema = {name: {} for name in names}
        return Input(
            {"type": "object", "properties": properties}, "what the nodes read", is_said=False
        )
    return Input({"type": "object"}, "nothing: it takes any object", is_said=False)


def _texts(
    workflow: WorkflowRecord, webhook: Node, nodes: Iterable[Node]
) -> Iterator[tuple[str, str]]:
    yield "the notes of the Webhook node", webhook.notes
    yield "the workflow's description", description_of(workflow)
    for node in nodes:
        if node.type == STICKY_NOTE:
            yield "a sticky note", str(node.parameters.get("content", ""))


def description_of(workflow: WorkflowRecord) -> str:
    """Return what the workflow's author says of it; empty where nothing is said."""
    published = workflow.active_version.description if workflow.active_version else ""
    return published or workflow.description


def without_schema(text: str) -> str:
    """Return a text without the blocks that hold a schema: those are for programs."""
    return _FENCED.sub(
        lambda block: "" if _schema(block[1]) is not None else block[0], text
    ).strip()


def schema_in(text: str) -> Schema | None:
    """Return the JSON Schema of an object that a text is or holds in a fenced block, else None."""
    return next(
        (found for each in (text, *_FENCED.findall(text)) if (found := _schema(each)) is not None),
        None,
    )


def _schema(text: str) -> Schema | None:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_schema = isinstance(read, dict) and (read.get("type") == "object" or "properties" in read)
    return {"type": "object", **read} if is_schema else None


def _of_form(node: Node) -> Schema:
    properties: Schema = {}
    required = []
    for field in _entries(node.parameters.get("formFields")):
        label = text(field.get("fieldName")) or text(field.get("fieldLabel"))
        if not label or field.get("fieldType") in ("html", "file"):
            continue
        properties[label] = _of_field(field)
        if field.get("requiredField"):
            required.append(label)
    return _object(properties, required)


def _of_field(field: Mapping[str, Any]) -> Schema:
    kind = str(field.get("fieldType", "text"))
    schema: Schema = dict(FIELD_TYPES.get(kind, {"type": "string"}))
    choices = [each.get("option") for each in _entries(field.get("fieldOptions"))]
    if choices:
        schema["enum"] = choices
    if field.get("multiselect") or kind == "checkbox":
        schema = {"type": "array", "items": schema}
    if asked := field.get("placeholder"):
        schema["description"] = f"Such as {asked}"
    return schema


def _of_sub_workflow(node: Node) -> Schema:
    example = node.parameters.get("jsonExample")
    if isinstance(example, str):
        try:
            read = json.loads(example)
        except (ValueError, RecursionError):
            return {}
        return schema_of(read) if isinstance(read, dict) else {}
    properties: Schema = {
        name: {"type": kind} if (kind := text(each.get("type"))) in INPUT_TYPES else {}
        for each in _entries(node.parameters.get("workflowInputs"))
        if (name := text(each.get("name")))
    }
    return _object(properties, [])


def _entries(collection: object) -> Iterator[Mapping[str, Any]]:
    """Yield the entries of a list as nodes keep it, in `values`."""
    values = mapping(collection).get("values")
    for each in values if isinstance(values, list) else ():
        if isinstance(each, Mapping):
            yield each


def _object(properties: Schema, required: list[str]) -> Schema:
    if not properties:
        return {}
    schema: Schema = {"type": "object", "properties": properties}
    return {**schema, "required": required} if required else schema


def _pinned_body(workflow: WorkflowRecord, webhook: Node) -> Any:
    items = workflow.pin_data.get(webhook.name)
    first = items[0] if isinstance(items, list) and items else {}
    body = first.get("json", {}).get("body") if isinstance(first, dict) else None
    return body if isinstance(body, dict) and body else None


def _names_in(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        for written in _strings(node.parameters):
            for plain, quoted in _NAMED_IN_BODY.findall(written):
                yield plain or quoted


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _strings(each)
        case list():
            for each in value:
                yield from _strings(each)
