"""The values that server files hold: no key passes unread, and no fault lacks its place."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ModelWrapValidatorHandler,
    SecretStr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from bridge.configuration.findings import Rule
from bridge.configuration.rules import KEY_MISSING, KEY_UNKNOWN, SCHEMA_UNSOUND, VALUE_WRONG
from bridge.configuration.variables import FromEnvironment, is_meant_for_variable
from bridge.configuration.wording import predicate, suggestion
from bridge.errors import Fault
from bridge.formats.addresses import web_address
from bridge.formats.pointers import parts_of
from bridge.formats.quantities import RATE_PATTERN, TIME_PATTERN, Rate, rate, seconds
from bridge.schemas.compile import faults_in_schema

NOT_IN_FILES = "\0"
"""The alias of an attribute that no file can set."""

_SAID = "said"
"""The type of an error whose message is a predicate already; those of a rule have the rule's id."""

_RULES = {rule.id: rule for rule in (KEY_MISSING, KEY_UNKNOWN, SCHEMA_UNSOUND)}
_OF_PYDANTIC = {"extra_forbidden": KEY_UNKNOWN.id, "missing": KEY_MISSING.id}
_NEED_MORE = frozenset({"value_error", "tuple_type", "model_type", "dict_type"})
"""The types of errors where a secret may stand, but not so."""


class Entry(BaseModel):
    """A mapping of a server file; its aliases are the file's keys, its names carry the units.

    A `ValidationError` of it says for each fault what the key at `loc` must be.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def keys(cls) -> dict[str, str]:
        """Return the keys that a file may set here, each with its attribute's name."""
        named = {field.alias or name: name for name, field in cls.model_fields.items()}
        return {key: name for key, name in named.items() if key != NOT_IN_FILES}

    @model_validator(mode="wrap")
    @classmethod
    def _say_how_to_mend(cls, raw: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return build(raw)
        except ValidationError as error:
            said = [
                _line(
                    _said(details, cls.keys()),
                    details["loc"],
                    details["input"],
                    _kind(details),
                    details.get("ctx"),
                )
                for details in error.errors(include_url=False)
            ]
            raise ValidationError.from_exception_data(cls.__name__, said) from None


def unsound(
    faults: Iterable[Fault], rule: Rule = VALUE_WRONG, of: Iterable[str] | None = None
) -> ValidationError:
    """Make of several faults what one validator may raise; each pointer starts at its field.

    A validator of a whole mapping names the keys that it went by in `of`; by default all.
    """
    kind = rule.id if rule.id in _RULES else _SAID
    lines = []
    for fault in faults:
        loc = parts_of(fault.pointer)
        went_by = None if of is None else tuple(of)
        lines.append(_line(fault.detail, loc, None, kind, {"depth": len(loc), "of": went_by}))
    return ValidationError.from_exception_data("unsound", lines)


def rule_of(details: ErrorDetails) -> Rule:
    """Return the rule that was broken, of an error of an `Entry`."""
    return _RULES.get(details["type"], VALUE_WRONG)


def _line(
    message: str,
    loc: tuple[str | int, ...],
    rejected: Any,
    kind: str,
    context: dict[str, Any] | None = None,
) -> InitErrorDetails:
    # What it says stands in the context, for braces in a message are filled in from there.
    said = {**(context or {}), _SAID: message}
    error = PydanticCustomError(kind, f"{{{_SAID}}}", said)
    return InitErrorDetails(type=error, loc=loc, input=rejected)


def _kind(details: ErrorDetails) -> str:
    given = details["type"]
    return given if given in _RULES else _OF_PYDANTIC.get(given, _SAID)


def _said(details: ErrorDetails, known: Iterable[str]) -> str:
    if details["type"] == _SAID or details["type"] in _RULES:
        return details["msg"]
    if details["type"] == "extra_forbidden" and len(details["loc"]) == 1:
        return f"is an unknown key; {suggestion(str(details['loc'][0]), known)}"
    if details["type"] not in _NEED_MORE and isinstance(details["input"], FromEnvironment):
        return "takes no secret: write ${NAME} for what everybody may read"
    return predicate(details)


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

OF_HTTP = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of a connection and of a message's frame, which are no sender's to choose."""

OUR_PREFIX = "bridge-"

_READ_OF_SENDERS = frozenset({"content-type", "idempotency-key", "prefer", "webhook-id"})

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
    text = raw.value if isinstance(raw, FromEnvironment) else demand_name(raw)
    if isinstance(text, str) and (not text.strip() or not text.isprintable()):
        raise ValueError("must be neither empty nor hold line ends or other control characters")
    return text


def demand_name(raw: object) -> object:
    """Return what stands where a secret does, if it does not miss naming a variable.

    Raises:
        ValueError: it does, and would be taken for the secret itself.
    """
    is_pair = isinstance(raw, dict) and list(raw) == ["env"]
    if is_pair or (isinstance(raw, str) and is_meant_for_variable(raw)):
        raise ValueError("must be env:NAME, in small letters and without blanks")
    return raw


def words_of(pattern: str, said: str) -> AfterValidator:
    """Return what demands a pattern of a text, and says it in words."""

    def demand(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(said)
        return text

    return AfterValidator(demand)


def _whole_number(raw: object) -> object:
    if isinstance(raw, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic takes a ValueError
    return raw


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
        raise unsound(faults, SCHEMA_UNSOUND)
    return schema


def _without_colon(user: str) -> str:
    if ":" in user:
        raise ValueError("must hold no colon, at which the password begins (RFC 7617)")
    return user


def _one_header(name: str) -> str:
    if "*" in name:
        raise ValueError("must name one header: there is no sign for several, so list them")
    return name


def _free_header(name: str) -> str:
    if name.lower() in OF_HTTP | _READ_OF_SENDERS or name.lower().startswith(OUR_PREFIX):
        raise ValueError("is set by HTTP itself or has a meaning to the bridge: name another")
    return name


def _of_an_object(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") != "object":
        raise ValueError("must describe an object: give it `type: object`")
    return schema


Text = Annotated[str, BeforeValidator(_revealed), WithJsonSchema({"type": "string"})]
"""A printable text that may come from the environment, though it is no secret."""

UserName = Annotated[Text, AfterValidator(_without_colon)]
"""What stands before the password in Basic credentials."""

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

HeaderName = Annotated[
    str,
    words_of(
        HEADER_NAME_PATTERN,
        "must be a header's name, of letters, digits and hyphens without blanks",
    ),
    AfterValidator(_one_header),
    WithJsonSchema({"type": "string", "pattern": HEADER_NAME_PATTERN}),
]
"""The name of an HTTP header (RFC 9110, 5.6.2); no `*`, which programs take for any."""

FreeHeaderName = Annotated[HeaderName, AfterValidator(_free_header)]
"""The name of a header that means nothing yet, neither to HTTP nor to the bridge."""

_TIMESTAMP_PATTERN = rf"{HEADER_NAME_PATTERN[:-1]}=?$|^$"
_PRINCIPAL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$"

TimestampName = Annotated[
    str,
    words_of(_TIMESTAMP_PATTERN, "must be a header's name, or the part of `header` before its ="),
    WithJsonSchema({"type": "string", "pattern": _TIMESTAMP_PATTERN}),
]
"""Where a sender says when it signed."""

PrincipalName = Annotated[
    str,
    words_of(
        _PRINCIPAL_PATTERN,
        "must be a name of letters, digits, _.@ and -, a letter or digit first, at most 128",
    ),
    WithJsonSchema({"type": "string", "pattern": _PRINCIPAL_PATTERN}),
]
"""What the holder of a token is called."""

_TIME = {"type": ["number", "string"], "pattern": rf"{TIME_PATTERN}|\$\{{"}

Seconds = Annotated[
    float, BeforeValidator(_some_time), WithJsonSchema({**_TIME, "exclusiveMinimum": 0})
]
"""A length of time, more than none."""

Pause = Annotated[float, BeforeValidator(seconds), WithJsonSchema({**_TIME, "minimum": 0})]
"""A length of time that may be none."""

COUNT_MAX = 1_000_000_000

WholeNumber = Annotated[
    int,
    BeforeValidator(_whole_number),
    Field(ge=-COUNT_MAX, le=COUNT_MAX),
    WithJsonSchema({"type": "integer", "minimum": -COUNT_MAX, "maximum": COUNT_MAX}),
]
"""A whole number that Redis and JavaScript hold without loss."""

Count = Annotated[
    int,
    BeforeValidator(_whole_number),
    Field(ge=1, le=COUNT_MAX),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": COUNT_MAX}),
]
"""How many there may be, at least one."""

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
