"""JSON Schema 2020-12: whether a schema is sound, and what is wrong with a value."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from bridge.errors import Fault
from bridge.pointers import pointer_to

_Place = tuple[str | int, ...]

_DETAIL_CHARS = 300
_DATA_KEYWORDS = frozenset({"const", "default", "enum", "examples"})

_METASCHEMA = Draft202012Validator(
    Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER
)


def faults_in_value(schema: Mapping[str, Any], value: object) -> tuple[Fault, ...]:
    """Name everything in `value` that `schema` forbids; a missing member by its would-be place.

    The schema must be sound; nothing is ever fetched for it.
    """
    validator = Draft202012Validator(schema, registry=Registry())
    return tuple(
        dict.fromkeys(fault for error in validator.iter_errors(value) for fault in _faults(error))
    )


def faults_in_schema(schema: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Name everything that makes `schema` no schema of 2020-12, or makes it need another file."""
    # A metaschema of 2020-12 is several in one, and each of them names the same fault.
    unsound = dict.fromkeys(
        Fault(pointer_to(error.absolute_path), f"is no JSON Schema: {_short(error.message)}")
        for error in _METASCHEMA.iter_errors(schema)
    )
    return tuple(unsound) or tuple(_bad_references(schema))


def _faults(error: ValidationError) -> Iterator[Fault]:
    place = tuple(error.absolute_path)
    wanted, instance = error.validator_value, error.instance
    if error.validator == "required" and isinstance(wanted, list) and isinstance(instance, dict):
        for name in wanted:
            if name not in instance:
                yield Fault(pointer_to((*place, name)), "is required")
    else:
        yield Fault(pointer_to(place), _short(error.message))


def _short(message: str) -> str:
    return message if len(message) <= _DETAIL_CHARS else f"{message[:_DETAIL_CHARS]}…"


def _bad_references(schema: Mapping[str, Any]) -> Iterator[Fault]:
    resource = DRAFT202012.create_resource(schema)
    resolver = Registry().with_resource("", resource).resolver()
    for place, reference in _references(schema, ()):
        if not reference.startswith("#"):
            yield Fault(pointer_to(place), "may only refer to this schema itself, as in #/$defs/x")
            continue
        try:
            resolver.lookup(reference)
        except Unresolvable:
            yield Fault(pointer_to(place), f"refers to {reference}, which this schema lacks")


def _references(part: Any, at: _Place) -> Iterator[tuple[_Place, str]]:
    if isinstance(part, dict):
        for key, member in part.items():
            if key in ("$ref", "$dynamicRef") and isinstance(member, str):
                yield (*at, key), member
            elif key not in _DATA_KEYWORDS:
                yield from _references(member, (*at, key))
    elif isinstance(part, list):
        for index, item in enumerate(part):
            yield from _references(item, (*at, index))
