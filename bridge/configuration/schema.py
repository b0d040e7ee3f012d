"""The JSON Schemas of server files and of the file of alerts, for editors.

`python -m bridge.configuration.schema` prints the first, with `alerts` behind it the other.
"""

import json
import sys
from typing import Any

from bridge.configuration.alerts import Alerts
from bridge.configuration.fields import NOT_IN_FILES, Entry
from bridge.configuration.servers import Server

_FILLED_IN = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}
_NOT_TEXT = ("integer", "number", "boolean")
_ANNOTATIONS = frozenset({"default", "description"})
_MAPS = frozenset({"$defs", "properties", "patternProperties"})
_LISTS = frozenset({"anyOf", "oneOf"})


def server_file_schema() -> dict[str, Any]:
    """Make the schema of one server file, as it is written, from the models that read it.

    It judges each key by itself; what several of them must be together only the loader knows.
    """
    return _schema_of(Server, "A server file of the bridge between n8n and Claude")


def alert_file_schema() -> dict[str, Any]:
    """Make the schema of a file of alerts, likewise."""
    return _schema_of(Alerts, "The alerts of the bridge between n8n and Claude")


def _schema_of(model: type[Entry], title: str) -> dict[str, Any]:
    schema = _rewrite(model.model_json_schema(by_alias=True, mode="validation"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}


def _rewrite(schema: dict[str, Any]) -> dict[str, Any]:
    """Report what the models do not: names of one pattern only, `${NAME}` for any plain value."""
    said = {key: _rewrite_member(key, member) for key, member in schema.items() if key != "title"}
    if "patternProperties" in said:
        said["additionalProperties"] = False
    if said.get("type") in _NOT_TEXT or "enum" in said:
        outer = {key: said.pop(key) for key in tuple(said) if key in _ANNOTATIONS}
        return {"anyOf": [said, _FILLED_IN]} | outer
    return said


def _rewrite_member(keyword: str, member: Any) -> Any:
    if keyword in _MAPS:
        return {key: _rewrite(part) for key, part in member.items() if key != NOT_IN_FILES}
    if keyword in _LISTS:
        return [_rewrite(part) for part in member]
    return _rewrite(member) if keyword == "items" else member


if __name__ == "__main__":  # pragma: no cover - what `make schema` runs
    make = alert_file_schema if sys.argv[1:] == ["alerts"] else server_file_schema
    json.dump(make(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
