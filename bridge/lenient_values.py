"""Values as their senders meant them, where a schema refuses what came and leaves no doubt.

Models and the programs between them and us send null for what they leave out, JSON as a text where
the schema wants anything but a text, and arguments of their own. Nothing that a schema allows is
ever changed.
"""

import copy
from collections.abc import Iterable
from typing import Any

from jsonschema_rs import ValidationError, ValidationErrorKind, Validator

from bridge.errors import MalformedError
from bridge.json_reading import parse_json
from bridge.schema_faults import unexpected_members

ROUNDS_MAX = 4
"""So many texts within texts are read; each shows only once the one around it was."""

Kinds = ValidationErrorKind


def mended(validator: Validator, value: Any, spare: Iterable[str] = ()) -> Any:
    """Return what a value that is refused was meant to be, if that is allowed, or else the value.

    `spare` are members of the whole that may be left out where the schema refuses them.
    """
    meant = {"": copy.deepcopy(value)}  # a member like the others, so that all can be replaced
    for _ in range(ROUNDS_MAX):
        errors = list(validator.iter_errors(meant[""]))
        if not errors:
            return meant[""]
        if not [error for error in errors if _mend(meant, error, frozenset(spare))]:
            break
    return value


def _mend(meant: dict[str, Any], error: ValidationError, spare: frozenset[str]) -> bool:
    """Change what an error points at, if it can be meant in one way only; tell whether it was."""
    *way, last = ("", *error.instance_path)
    around: Any = meant
    for part in way:
        around = _there(around, part)
    found = _there(around, last)
    if not way and (left_out := spare.intersection(unexpected_members(error, found))):
        for name in left_out:
            del found[name]
        return True
    if found is None and way and isinstance(around, dict) and last in around:
        del around[last]
        return True
    return isinstance(found, str) and _refuses_text(error) and _read(around, last, found)


def _there(around: Any, last: str | int) -> Any:
    """Give what is there, or None where an earlier change left nothing."""
    if isinstance(around, list):
        return around[int(last)]
    return around.get(last) if isinstance(around, dict) else None


def _refuses_text(error: ValidationError) -> bool:
    """Tell whether an error says that no text at all is allowed here."""
    match error.kind:
        case Kinds.Type(types):
            return "string" not in types
        case Kinds.Enum(options):
            return not any(isinstance(option, str) for option in options)
        case Kinds.Constant(expected):
            return not isinstance(expected, str)
        case Kinds.AnyOf(branches) | Kinds.OneOfNotValid(branches):
            return all(
                any(_refuses_text(each) for each in branch if _is_same_place(each, error))
                for branch in branches
            )
    return False


def _is_same_place(one: ValidationError, other: ValidationError) -> bool:
    return one.instance_path == other.instance_path


def _read(around: Any, last: str | int, text: str) -> bool:
    try:
        value = parse_json(text.encode())
    except (MalformedError, UnicodeEncodeError):
        return False
    if isinstance(value, str):
        return False
    around[last] = value
    return True
