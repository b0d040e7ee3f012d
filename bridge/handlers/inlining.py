"""JSON Schemas without references, which many clients of MCP cannot follow."""

from typing import Any

PREFIX = "#/$defs/"


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with each of its definitions where it is used.

    One that refers to itself stays as it is.
    """
    used = {key: each for key, each in schema.items() if key != "$defs"}
    try:
        whole: dict[str, Any] = _resolved(used, schema.get("$defs", {}), ())
    except _RecursiveError:
        return schema
    return whole


class _RecursiveError(Exception):
    """A definition is used within itself."""


def _resolved(part: Any, definitions: dict[str, Any], within: tuple[str, ...]) -> Any:
    if isinstance(part, list):
        return [_resolved(item, definitions, within) for item in part]
    if not isinstance(part, dict):
        return part
    name = _name_of(part.get("$ref"))
    if name is None:
        return {key: _resolved(each, definitions, within) for key, each in part.items()}
    if name in within:
        raise _RecursiveError
    beside = {key: each for key, each in part.items() if key != "$ref"}
    meant = {key: each for key, each in definitions[name].items() if key != "title"}
    return {**_resolved(meant, definitions, (*within, name)), **beside}


def _name_of(reference: object) -> str | None:
    is_ours = isinstance(reference, str) and reference.startswith(PREFIX)
    return reference.removeprefix(PREFIX) if is_ours and isinstance(reference, str) else None
