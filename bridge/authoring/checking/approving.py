"""Approvals that are named in a file and never asked for: what is sure, and cheap to see."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from bridge.authoring.checking.rules import APPROVAL_IDLE
from bridge.configuration.documents import Place
from bridge.configuration.findings import Rule
from bridge.configuration.raw import mapping
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
    is_harmless = said.get("read_only") is True or said.get("destructive") is False
    if approve == "destructive" and is_harmless:
        doubt = "never asks: by its `annotations` it destroys nothing; `always` asks each time"
        yield APPROVAL_IDLE, ("approve",), doubt
    when = mapping(approve).get("when")
    if isinstance(when, Mapping) and not faults_in_schema(when):
        for why in islice(_why_never(when, mapping(workflow.get("input", _TAKES_NONE))), 1):
            doubt = f"can never hold, so nobody is asked: {why}"
            yield APPROVAL_IDLE, ("approve", "when"), doubt


def _why_never(when: Mapping[str, Any], taken: Mapping[str, Any]) -> Iterator[str]:
    """Find why no arguments are valid by a schema."""
    types = when.get("type", "object")
    if "object" not in ([types] if isinstance(types, str) else types):
        yield f"arguments are an object, and its type is {types}"
    values = [when["const"]] if "const" in when else when.get("enum", [{}])
    if not any(isinstance(value, dict) for value in values):
        yield "it names no object that the arguments could be"
    if when.get("not") in ({}, True):
        yield "`not` leaves nothing"
    needed, known, parts = when.get("required", []), taken.get("properties"), when.get("properties")
    is_closed = taken.get("additionalProperties") is False and not taken.get("patternProperties")
    for name in needed:
        if is_closed and name not in mapping(known):
            yield f"it needs the argument {name}, which `input` does not take"
        if why := _why_no_value(mapping(parts).get(name, True)):
            yield f"no value of {name} is valid: {why}"


def _why_no_value(schema: object) -> str:
    if schema is False:
        return "its schema is false"
    if not isinstance(schema, Mapping):
        return ""
    if schema.get("enum") == []:
        return "its `enum` is empty"
    bounds = {name: schema[name] for name in _BOUNDS & schema.keys()}
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    if values and all(any(faults_in_value(bounds, value)) for value in values):
        return "each value that it names breaks the rest of it"
    return ""
