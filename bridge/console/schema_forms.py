"""Forms made from JSON Schemas: a field for each simple member, JSON for all else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.errors import Fault, InvalidError, MalformedError
from bridge.formats.json_text import parse_json, spell
from bridge.formats.pointers import pointer_to
from bridge.models import Json
from bridge.schemas.examples import example_of

MEMBER = "member."
"""What the names of fields begin with, so that none is one of the form's own."""
WHOLE = "json"
"""The name of the field that holds all of it as JSON."""
FIELDS_MAX = 60


@dataclass(frozen=True)
class SchemaField:
    """A field of a form; `kind` is `text`, `number`, `choice` or `json`.

    `choices` are JSON texts; `example` is one, or a plain text where the field takes text.
    """

    name: str
    kind: str
    description: str
    is_required: bool
    choices: tuple[str, ...]
    example: str

    @property
    def key(self) -> str:
        """The name by which the form posts it."""
        return MEMBER + self.name

    def read(self, text: str) -> Json:
        """Return the value that was filled in.

        Raises:
            InvalidError: it is no JSON, where it must be.
        """
        if self.kind == "text":
            return text
        try:
            return parse_json(text.encode())
        except MalformedError as error:
            fault = Fault(pointer_to([self.name]), str(error))
            raise InvalidError("a field cannot be read", (fault,)) from error


def fields_of(schema: Mapping[str, Any] | None) -> list[SchemaField]:
    """Return the fields of a form for a schema; none where it is no object with named members."""
    properties = (schema or {}).get("properties")
    if not isinstance(properties, dict) or len(properties) > FIELDS_MAX:
        return []
    required = (schema or {}).get("required")
    named = set(required) if isinstance(required, list) else set()
    return [_field(name, part, is_required=name in named) for name, part in properties.items()]


def filled_in(schema: Mapping[str, Any] | None, form: Mapping[str, str]) -> Json:
    """Return the value that a form says: of its fields, or all of it as JSON.

    What was left empty is left out.

    Raises:
        InvalidError: some field holds no JSON where it must.
        MalformedError: what is said to be all of it is no JSON.
    """
    if form.get("as") == WHOLE:
        return parse_json(form.get(WHOLE, "").encode())
    return {
        field.name: field.read(text)
        for field in fields_of(schema)
        if (text := form.get(field.key, "")) != ""
    }


def example_text(schema: Mapping[str, Any] | None) -> str:
    """Return an example for a schema as people edit it."""
    return json.dumps(example_of(schema or {}) or {}, indent=2, ensure_ascii=False)


def _field(name: str, part: Any, *, is_required: bool) -> SchemaField:
    part = part if isinstance(part, dict) else {}
    choices, example = tuple(_choices(part)), example_of(part)
    kind = "choice" if choices else _kind(part.get("type"))
    shown = example if kind == "text" and isinstance(example, str) else spell(example)
    said = part.get("description")
    return SchemaField(
        name, kind, said if isinstance(said, str) else "", is_required, choices, shown
    )


def _kind(type_: object) -> str:
    match type_:
        case "string":
            return "text"
        case "integer" | "number":
            return "number"
        case _:
            return "json"


def _choices(part: Mapping[str, Any]) -> Iterator[str]:
    if part.get("type") == "boolean":
        yield from ("true", "false")
    elif isinstance(values := part.get("enum"), list):
        yield from map(spell, values)
