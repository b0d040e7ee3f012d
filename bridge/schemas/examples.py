"""A value for a JSON Schema: what a schema says of itself by way of example, else the simplest."""

from collections.abc import Mapping
from typing import Any

from bridge.formats.pointers import parts_of
from bridge.models import Json

DEPTH_MAX = 20
_SIMPLEST: Mapping[str, Json] = {"boolean": True, "integer": 1, "number": 1, "string": "text"}


def example_of(schema: Any) -> Any:
    """Return a value that a schema is likely to allow; it is not checked against it."""
    return _example(schema, schema, 0)


def _example(schema: Any, root: Any, depth: int) -> Json:
    if not isinstance(schema, Mapping) or depth > DEPTH_MAX:
        return None
    if (said := _said(schema)) is not None:
        return said[0]
    if isinstance(reference := schema.get("$ref"), str):
        return _example(_found(root, reference), root, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        if isinstance(some := schema.get(keyword), list) and some:
            return _example({**schema, **_mapping(some[0]), keyword: None}, root, depth + 1)
    if isinstance(every := schema.get("allOf"), list):
        merged = {key: value for part in every for key, value in _mapping(part).items()}
        return _example({**schema, **merged, "allOf": None}, root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Any, depth: int) -> Json:
    type_ = schema.get("type")
    type_ = type_[0] if isinstance(type_, list) and type_ else type_
    if type_ == "object" or (type_ is None and "properties" in schema):
        properties = _mapping(schema.get("properties"))
        return {name: _example(part, root, depth + 1) for name, part in properties.items()}
    if type_ == "array":
        count = int(schema.get("minItems") or 1) if "items" in schema else 0
        return [_example(schema["items"], root, depth + 1) for _ in range(min(count, DEPTH_MAX))]
    if type_ == "string":
        return "text".ljust(int(schema.get("minLength") or 0), ".")[: schema.get("maxLength")]
    if type_ in ("integer", "number"):
        value: Json = schema.get("minimum", schema.get("maximum", 1))
        return value
    return _SIMPLEST.get(str(type_))


def _said(schema: Mapping[str, Any]) -> tuple[Json] | None:
    """Return the value that a schema names, if it does."""
    for keyword in ("const", "default"):
        if keyword in schema:
            return (schema[keyword],)
    for keyword in ("examples", "enum"):
        if isinstance(values := schema.get(keyword), list) and values:
            return (values[0],)
    return None


def _found(root: Any, reference: str) -> Any:
    found = root
    try:
        for part in parts_of(reference.removeprefix("#")):
            found = found[part]
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
