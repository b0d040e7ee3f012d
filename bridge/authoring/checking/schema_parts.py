"""The schemas that stand in a schema, each with its place."""

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.configuration.raw import mapping

Place = tuple[str | int, ...]

_NAMED = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_COMBINATORS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NEXT = ("items", "additionalProperties", "not", "if", "then", "else", "contains")


def parts_of_schema(part: Any, at: Place) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Return a schema and every schema in it."""
    if not isinstance(part, Mapping):
        return
    yield at, part
    for keyword in _NAMED:
        for name, inner in mapping(part.get(keyword)).items():
            yield from parts_of_schema(inner, (*at, keyword, name))
    for keyword in _COMBINATORS:
        listed = part.get(keyword)
        for index, inner in enumerate(listed if isinstance(listed, list) else ()):
            yield from parts_of_schema(inner, (*at, keyword, index))
    for keyword in _NEXT:
        yield from parts_of_schema(part.get(keyword), (*at, keyword))
