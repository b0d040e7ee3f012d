"""The schemas of workflows: what Claude's API, claude.ai and other clients make of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.authoring.checking.rules import (
    ARGUMENT_UNDECLARED,
    ARGUMENT_UNDESCRIBED,
    DEFAULT_WRONG,
    INPUT_DEEP,
    INPUT_DIALECT,
    INPUT_INVALID,
    OUTPUT_UNREAD,
    OUTPUT_WRAPPED,
)
from bridge.authoring.checking.schema_parts import Place, parts_of_schema
from bridge.configuration.findings import Finding, Rule, at
from bridge.configuration.raw import entries, mapping, text
from bridge.configuration.server_files import ServerFile
from bridge.errors import Fault
from bridge.formats.pointers import parts_of
from bridge.schemas.compile import (
    DEFAULT_DIALECT,
    faults_in_schema,
    faults_in_value,
    is_read_by_clients,
)

Said = tuple[Rule, Place, str]

DEPTH_MAX = 2
"""claude.ai leaves out, without a word, objects that lie deeper among the arguments:
https://github.com/anthropics/claude-ai-mcp/issues/578"""


def unsound_schemas(file: ServerFile) -> Iterator[Finding]:
    """Find what clients would refuse, leave out or misread of the schemas of tools."""
    for name, workflow in entries(file.filled, "workflows"):
        for keyword, find in (("input", _of_input), ("output", _of_output)):
            schema = workflow.get(keyword)
            # What is no schema at all has been named.
            if isinstance(schema, Mapping) and not faults_in_schema(schema):
                for rule, place, predicate in find(schema):
                    whole = ("workflows", name, keyword, *place)
                    # Named in full: what a handler says of itself is not in the file.
                    said = f"{'.'.join(map(str, whole))} {predicate}"
                    yield at(rule, said, file.document.path, *file.document.position(whole))


def _of_input(schema: Mapping[str, Any]) -> Iterator[Said]:
    unread = tuple(_dialect(schema))
    yield from unread
    yield from _arguments(schema)
    yield from _deep(schema)
    if not unread:
        yield from _samples(schema)


def _of_output(schema: Mapping[str, Any]) -> Iterator[Said]:
    if not is_read_by_clients(schema):
        yield (
            OUTPUT_UNREAD,
            (),
            "cannot be read by stock clients, of Python or of JavaScript, so they are told its type"
            " alone: mend its patterns or its dialect if they shall know all of it",
        )
    if schema.get("type") != "object":
        yield (
            OUTPUT_WRAPPED,
            (),
            "may be no object, so Claude gets it as {result: …}: add `type: object` if it is one",
        )


def _dialect(schema: Mapping[str, Any]) -> Iterator[Said]:
    """Find what Claude's API, which reads 2020-12 alone, would refuse.

    Source: https://github.com/anthropics/claude-code/issues/586
    """
    own = {key: value for key, value in schema.items() if key != "$schema"}
    faults = faults_in_schema(own)
    for fault in faults:
        said = f"is refused by Claude's API, which reads 2020-12: {_bare(fault)}"
        yield INPUT_INVALID, tuple(parts_of(fault.pointer)), said
    dialect = text(schema.get("$schema"))
    if not faults and dialect and dialect.rstrip("#") != DEFAULT_DIALECT:
        said = "names another dialect than the 2020-12 that Claude's API reads: leave it out"
        yield INPUT_DIALECT, ("$schema",), said


def _bare(fault: Fault) -> str:
    return fault.detail.removeprefix("is no JSON Schema: ")


def _arguments(schema: Mapping[str, Any]) -> Iterator[Said]:
    for place, part in parts_of_schema(schema, ()):
        properties = mapping(part.get("properties"))
        required = part.get("required")
        for name in required if isinstance(required, list) else ():
            declared = properties.get(name)
            if name not in properties:
                # Of what is combined, another part may declare it.
                if not place or "properties" in part:
                    said = f"names {name}, which is none of the `properties`: add it there"
                    yield ARGUMENT_UNDECLARED, (*place, "required"), said
            elif not text(_meant(schema, mapping(declared)).get("description")).strip():
                said = "is required, and has no `description`: Claude has to guess what it is"
                yield ARGUMENT_UNDESCRIBED, (*place, "properties", name), said


def _meant(whole: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of a schema, or what it refers to if it says nothing itself."""
    reference = text(part.get("$ref"))
    if "description" in part or not reference.startswith("#/"):
        return part
    found: Any = whole
    for step in parts_of(reference[1:]):
        found = mapping(found).get(step)
    return mapping(found)


def _deep(part: Any, at: Place = (), depth: int = 0) -> Iterator[Said]:
    if not isinstance(part, Mapping):
        return
    if depth == DEPTH_MAX and "properties" in part:
        said = (
            "is an object within an object, which claude.ai leaves out, with what Claude sends in "
            "it: flatten it, or take it as a text of JSON"
        )
        yield INPUT_DEEP, at, said
    for name, inner in mapping(part.get("properties")).items():
        yield from _deep(inner, (*at, "properties", name), depth + 1)
    yield from _deep(part.get("items"), (*at, "items"), depth)


def _samples(schema: Mapping[str, Any]) -> Iterator[Said]:
    """Find defaults and examples that break the schema that they stand in."""
    for place, part in parts_of_schema(schema, ()):
        if "$ref" in str(part):
            continue
        given: list[tuple[Place, Any]] = [
            (("examples", number), sample) for number, sample in enumerate(part.get("examples", ()))
        ]
        given += [(("default",), part["default"])] if "default" in part else []
        for where, sample in given:
            for fault in faults_in_value(part, sample):
                said = f"breaks the schema that it stands in: {fault}"
                yield DEFAULT_WRONG, (*place, *where, *parts_of(fault.pointer)), said
