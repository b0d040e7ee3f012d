"""A JSON Schema for values like one that was seen; no value itself is repeated."""

import re
from typing import Any

DEPTH_MAX = 8


def schema_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Guess the input of a tool from the arguments of one call: all were needed, none other is."""
    if not arguments:
        return {"type": "object", "additionalProperties": False}
    return _guessed(arguments, 0)


_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _guessed(value: Any, depth: int) -> dict[str, Any]:
    if depth > DEPTH_MAX or value is None:
        return {}
    if isinstance(value, dict):
        return _object(value, depth)
    if isinstance(value, list):
        items = [_guessed(item, depth + 1) for item in value]
        is_alike = bool(items) and all(item == items[0] for item in items)
        return {"type": "array", "items": items[0]} if is_alike else {"type": "array"}
    return {"type": _TYPES[type(value)]}


def _object(value: dict[str, Any], depth: int) -> dict[str, Any]:
    if not value:
        return {"type": "object"}
    properties = {
        name: {**_guessed(member, depth + 1), "description": _described(name)}
        for name, member in value.items()
    }
    needed = [name for name, member in value.items() if member is not None]
    return {"type": "object", "properties": properties, "required": needed}


def _described(name: str) -> str:
    """Return a name in words: `customerId` is the customer id."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = " ".join(re.findall(r"\w+", apart.replace("_", " "))).lower()
    return f"The {words}." if words else "A value."
