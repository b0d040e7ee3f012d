"""The kinds of values that server files hold, each checked as it is read."""

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    SecretStr,
    TypeAdapter,
    WithJsonSchema,
)

from bridge.addresses import web_address
from bridge.entries import unsound
from bridge.pointers import parts_of
from bridge.quantities import RATE_PATTERN, TIME_PATTERN, Rate, rate, seconds
from bridge.schemas import faults_in_schema
from bridge.variables import FromEnvironment

BUILT_IN_TOOLS = frozenset(
    {
        "list_events",
        "take_event",
        "read_event",
        "reply_to_event",
        "extend_event",
        "release_event",
        "read_call",
        "list_calls",
        "cancel_call",
    }
)
"""The tools that every server has; no workflow may take their names."""

_SLUG_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
_TOOL_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
_SCHEMA = {
    "type": "object",
    "anyOf": [
        {"required": ["$schema"]},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
    ],
}
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


def _revealed(raw: object) -> object:
    text = raw.value if isinstance(raw, FromEnvironment) else raw
    if isinstance(text, str) and (not text.strip() or not text.isprintable()):
        raise ValueError("must be neither empty nor hold line ends or other control characters")
    return text


def _slug(name: str) -> str:
    if not re.fullmatch(_SLUG_PATTERN, name):
        raise ValueError(
            "must be named in small letters, digits and hyphens, a hyphen never first, at most 63"
        )
    return name


def _tool_name(name: str) -> str:
    if not re.fullmatch(_TOOL_PATTERN, name):
        raise ValueError("must be named in letters, digits, _ and -, at most 64")
    if name in BUILT_IN_TOOLS:
        raise ValueError("has the name of a tool that every server has: choose another")
    return name


def _some_time(raw: object) -> float:
    if not (value := seconds(raw)):
        raise ValueError("must be longer than no time at all")
    return value


def _pointer(text: str) -> str:
    parts_of(text)
    return text


def _http_url(url: str) -> str:
    parts = web_address(url)
    # BRIDGE_N8N_URL may end with a slash, and n8n answers a doubled one with 404.
    return parts._replace(path=re.sub("/{2,}", "/", parts.path)).geturl()


def _sound(schema: dict[str, Any]) -> dict[str, Any]:
    _JSON.validate_python(schema)
    if faults := faults_in_schema(schema):
        raise unsound(faults)
    return schema


def _of_an_object(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") != "object":
        raise ValueError("must describe an object: give it `type: object`")
    return schema


Text = Annotated[str, BeforeValidator(_revealed), WithJsonSchema({"type": "string"})]
"""A printable text that may come from the environment, though it is no secret."""

Secret = Annotated[
    SecretStr, BeforeValidator(_revealed), WithJsonSchema({"type": "string", "minLength": 1})
]
"""A printable text that no log, page or `repr` shows."""

Slug = Annotated[
    str, AfterValidator(_slug), WithJsonSchema({"type": "string", "pattern": _SLUG_PATTERN})
]
"""A name that may stand in an address."""

ToolName = Annotated[
    str,
    AfterValidator(_tool_name),
    WithJsonSchema(
        {"type": "string", "pattern": _TOOL_PATTERN, "not": {"enum": sorted(BUILT_IN_TOOLS)}}
    ),
]
"""A name that Claude may call a workflow by."""

HEADER_NAME_PATTERN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"

HeaderName = Annotated[str, Field(pattern=HEADER_NAME_PATTERN)]
"""The name of an HTTP header (RFC 9110, 5.6.2)."""

_TIME = {"type": ["number", "string"], "pattern": rf"{TIME_PATTERN}|\$\{{"}

Seconds = Annotated[
    float, BeforeValidator(_some_time), WithJsonSchema({**_TIME, "exclusiveMinimum": 0})
]
"""A length of time, more than none."""

Pause = Annotated[float, BeforeValidator(seconds), WithJsonSchema({**_TIME, "minimum": 0})]
"""A length of time that may be none."""

AnyRate = Annotated[
    Rate,
    BeforeValidator(rate),
    WithJsonSchema({"type": "string", "pattern": rf"{RATE_PATTERN}|\$\{{"}),
]
"""So many in such a time."""

Pointer = Annotated[
    str, AfterValidator(_pointer), WithJsonSchema({"type": "string", "pattern": r"^(/|$)"})
]
"""A JSON Pointer (RFC 6901)."""

HttpUrl = Annotated[
    str,
    AfterValidator(_http_url),
    WithJsonSchema({"type": "string", "pattern": r"^https?://|\$\{"}),
]
"""An address that the bridge may send to."""

JsonSchema = Annotated[dict[str, Any], AfterValidator(_sound), WithJsonSchema(_SCHEMA)]
"""A JSON Schema, of 2020-12 or the draft that its `$schema` names, that needs no other file."""

ObjectSchema = Annotated[
    JsonSchema,
    AfterValidator(_of_an_object),
    WithJsonSchema({**_SCHEMA, "required": ["type"], "properties": {"type": {"const": "object"}}}),
]
"""A JSON Schema of objects."""
