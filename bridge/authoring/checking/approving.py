"""Approvals that are named in a file and never asked for, or of hooks that do not take that.

Said is what is sure, and cheap to see.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from bridge.authoring.checking.rules import APPROVAL_IDLE, APPROVAL_UNASKED
from bridge.configuration.documents import Place
from bridge.configuration.findings import Rule
from bridge.configuration.raw import mapping, truth
from bridge.schemas.compile import faults_in_schema, faults_in_value

_TAKES_NONE = {"additionalProperties": False}
"""What the arguments are held against where a workflow has no `input`."""
_BOUNDS = frozenset({"type", "enum", "const", "minimum", "maximum", "minLength", "maxLength"})
"""What a value that a schema names is held against; references may lead anywhere."""


def idle_approval(workflow: Mapping[str, Any]) -> Iterator[tuple[Rule, Place, str]]:
    """Find what says that somebody must agree, where nobody is ever asked."""
    approve, said = workflow.get("approve"), mapping(workflow.get("annotations"))
    for key in ("by", "approve_within") if approve in (None, "never") else ():
        if key in workflow:
            doubt = "asks nobody: say in `approve` which calls somebody must see"
            yield APPROVAL_IDLE, (key,), doubt
    is_harmless = truth(said.get("read_only")) or truth(said.get("destructive")) is False
    if approve == "destructive" and is_harmless:
        doubt = "never asks: by its `annotations` it destroys nothing; `always` asks each time"
        yield APPROVAL_IDLE, ("approve",), doubt
    when = mapping(approve).get("when")
    if isinstance(when, Mapping) and not faults_in_schema(when):
        for why in islice(_why_never(when, mapping(workflow.get("input", _TAKES_NONE))), 1):
            doubt = f"can never hold, so nobody is asked: {why}"
            yield APPROVAL_IDLE, ("approve", "when"), doubt


def unasked_approval(
    name: str, workflow: Mapping[str, Any], hooks: Mapping[str, Any]
) -> Iterator[tuple[Rule, Place, str]]:
    """Find what the hook does not take by which a workflow would be approved."""
    asked = mapping(workflow.get("by")).get("hook")
    hook = mapping(hooks.get(str(asked)))
    payload, reply = hook.get("payload"), hook.get("reply")
    if workflow.get("approve") in (None, "never"):
        return
    if isinstance(payload, Mapping) and not faults_in_schema(payload):
        question = {**_QUESTION, "workflow": name}
        for fault in faults_in_value(payload, question):
            if not fault.pointer.startswith("/arguments"):
                said = f"is never asked: its `payload` refuses the question ({fault.pointer or '/'}"
                yield APPROVAL_UNASKED, ("by", "hook"), f"{said} {fault.detail})"
                break
    is_sound = isinstance(reply, Mapping) and not faults_in_schema(reply)
    if is_sound and all(any(faults_in_value(mapping(reply), each)) for each in _YES):
        said = "can never approve: its `reply` refuses {approved: true}"
        yield APPROVAL_UNASKED, ("by", "hook"), said


_QUESTION: Mapping[str, Any] = {
    "question": "May this workflow be run with these arguments?",
    "workflow": "",
    "arguments": {},
    "asked_by": "alice",
    "call_id": "call_00",
    "digest": "0" * 64,
    "until": "2026-01-01T00:00:00Z",
}
"""What a hook is asked, with arguments of which nothing is known here."""
_YES = ({"approved": True}, {"approved": True, "reason": "It is fine."})


def _why_never(when: Mapping[str, Any], taken: Mapping[str, Any]) -> Iterator[str]:
    """Find why no arguments that a workflow takes are valid by a schema."""
    types = _types(when) or {"object"}
    if "object" not in types:
        yield f"arguments are an object, and its type is {' or '.join(sorted(types))}"
    names_values = "const" in when or "enum" in when
    if names_values and not any(isinstance(value, dict) for value in _values(when)):
        yield "it names no object that the arguments could be"
    if when.get("not") in ({}, True):
        yield "`not` leaves nothing"
    known = mapping(taken.get("properties"))
    is_closed = taken.get("additionalProperties") is False and not taken.get("patternProperties")
    if is_closed and when.get("minProperties", 0) > len(known):
        yield f"it wants {when['minProperties']} arguments, and `input` takes {len(known)}"
    for name in when.get("required", []):
        if is_closed and name not in known:
            yield f"it needs the argument {name}, which `input` does not take"
        if why := _why_no_value(mapping(when.get("properties")).get(name, True), known.get(name)):
            yield f"no value of {name} is valid: {why}"
    for part in when.get("allOf", []):
        yield from _why_never(mapping(part), taken)


def _why_no_value(schema: object, taken: object) -> str:
    """Find why no value is valid both by a schema and by that of the argument itself."""
    if schema is False:
        return "its schema is false"
    both = [each for each in (schema, taken) if isinstance(each, Mapping)]
    if mapping(schema).get("enum") == []:
        return "its `enum` is empty"
    types = [_kinds(each) for each in both if _types(each)]
    common = set.intersection(*types) if types else set()
    if types and not common:
        return "`input` takes another type" if len(types) > 1 else "its `type` is empty"
    bounds = [{name: each[name] for name in _BOUNDS & each.keys()} for each in both]
    for values in filter(None, map(_values, both)):
        if all(any(faults_in_value(bound, value) for bound in bounds) for value in values):
            return "each value that is named breaks the rest of it"
    if common and common <= {"integer", "number"} and _least(both) > _most(both):
        return f"it would be at least {_least(both):g} and at most {_most(both):g}"
    return ""


def _types(schema: Mapping[str, Any]) -> set[str]:
    given = schema.get("type", [])
    return {given} if isinstance(given, str) else set(given)


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    types = _types(schema)
    return types | {"integer"} if "number" in types else types


def _values(schema: Mapping[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", []))


def _least(schemas: Iterable[Mapping[str, Any]]) -> float:
    return max((each.get("minimum", -math.inf) for each in schemas), default=-math.inf)


def _most(schemas: Iterable[Mapping[str, Any]]) -> float:
    return min((each.get("maximum", math.inf) for each in schemas), default=math.inf)
