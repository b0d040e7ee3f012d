"""The JSON Schemas of files in words: a row for each key, those within others dotted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.configuration.schema import alert_file_schema, server_file_schema
from bridge.formats.quantities import RATE_PATTERN, TIME_PATTERN

SCHEMA = server_file_schema()
ALERT_SCHEMA = alert_file_schema()
_DEFINITIONS = ALERT_SCHEMA["$defs"] | SCHEMA["$defs"]
_FILLED_IN = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"
_KINDS = {
    "any": "any value",
    "array": "list",
    "boolean": "`true`, `false`",
    "integer": "whole number",
    "null": "",
    "number": "number",
    "object": "mapping",
    "string": "text",
}
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class KeyRow:
    """What is said of one key: where it stands, what it is, without it, and what it means."""

    key: str
    kind: str
    default: str
    meaning: str


def rows(schema: dict[str, Any], within: str = "") -> Iterator[KeyRow]:
    """Yield a row for each key of a mapping, and behind it those of the mappings within it.

    A mapping whose names are free, of all hooks say, is left out: it is a table of its own.
    """
    found = [way for way in _ways(schema) if "properties" in way and not _is_json_schema(way)]
    ways = [way for number, way in enumerate(found) if way not in found[:number]]
    is_one_of = len(ways) > 1
    for way in ways:
        for name, member in way["properties"].items():
            said = member.get("description") or _resolved(member).get("description", "")
            if is_one_of and kind_of(member) != "mapping":
                said = f"{way['description']} {said}"
            must = "must be given" if name in way.get("required", ()) else _default_of(member)
            yield KeyRow(within + name, kind_of(member), "" if is_one_of else must, said)
            yield from rows(member, f"{within}{name}.")


def kind_of(schema: dict[str, Any]) -> str:
    """Return in a few words what a key may be."""
    kinds = dict.fromkeys(_kind_of(way) for way in _ways(schema))
    return ", ".join(kind for kind in kinds if kind)


def definition(name: str) -> dict[str, Any]:
    """Return the schema of one of the mappings that have names of their own, `Hook` say."""
    found: dict[str, Any] = _DEFINITIONS[name]
    return found


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return definition(name) if name in _DEFINITIONS else schema


def _ways(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each way to write a value; `${NAME}` is one of every value, and left out."""
    resolved = _resolved(schema)
    branches = [*resolved.get("anyOf", ()), *resolved.get("oneOf", ())]
    if _is_json_schema(resolved) or "properties" in resolved or not branches:
        if resolved.get("type") == "array":
            yield from _ways(resolved.get("items", {}))
        if resolved.get("pattern") != _FILLED_IN and resolved.get("type") != "null":
            yield resolved
        return
    for branch in branches:
        yield from _ways(branch)


def _is_json_schema(schema: dict[str, Any]) -> bool:
    return {"required": ["$schema"]} in schema.get("anyOf", ())


def _kind_of(way: dict[str, Any]) -> str:
    pattern = way.get("pattern", "")
    if _is_json_schema(way):
        return "JSON Schema"
    if pattern.startswith((TIME_PATTERN, RATE_PATTERN)):
        return "time" if pattern.startswith(TIME_PATTERN) else "rate"
    if "enum" in way or "const" in way:
        return ", ".join(f"`{each}`" for each in way.get("enum", [way.get("const")]))
    named = way.get("type", "any")
    kinds = [_KINDS[each] for each in ([named] if isinstance(named, str) else named)]
    return ", ".join(kind for kind in kinds if kind)


def _default_of(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    if default is None or default in ("", [], {}) or isinstance(default, dict):
        return ""
    if kind_of(schema) == "time" and default == 0:
        return "`0s`"
    if kind_of(schema) == "time":
        unit, length = next(each for each in _UNITS if not default % each[1])
        return f"`{default // length:g}{unit}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
