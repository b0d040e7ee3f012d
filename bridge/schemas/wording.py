"""What is wrong with a schema, for those who write their first one."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from bridge.errors import Fault
from bridge.formats.json_text import show
from bridge.formats.pointers import parts_of

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")

_CALLED = {"bool": "boolean", "dict": "object", "float": "number", "int": "integer"} | {
    "list": "array",
    "none": "null",
    "str": "string",
    "text": "string",
}
"""What other languages call the types of JSON."""


def in_words(fault: Fault, schema: Mapping[str, Any]) -> str:
    """Return what is wrong at a place of a schema, with how to mend what is often written."""
    parts = parts_of(fault.pointer)
    keyword, value = (parts[-1] if parts else ""), _at(schema, parts)
    if keyword == "type" and isinstance(value, str):
        return f"{show(value, 100)} is no type; {_type_for(value)}"
    if keyword == "required" and isinstance(value, bool):
        return f"{fault.detail}: list the names beside `properties`, as in `required: [id]`"
    if isinstance(value, str) and fault.detail.endswith('is not of type "boolean", "object"'):
        return f"{fault.detail}: write a schema, such as {{type: string}}"
    if fault.detail.endswith('is not a "regex"'):
        return f"{fault.detail}: write a pattern that JavaScript reads"
    return fault.detail


def _type_for(name: str) -> str:
    small = name.lower()
    near = [_CALLED[small]] if small in _CALLED else get_close_matches(small, TYPES, n=1)
    return f"did you mean `{near[0]}`?" if near else f"there are {', '.join(TYPES)}"


def _at(value: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
