"""What a value that is refused was meant to be, where it can be meant in one way only.

Models and the programs between them and us send null for what they leave out, JSON as a text where
the schema wants anything but a text, and arguments of their own.
"""

import copy
from collections.abc import Iterable
from typing import Any

from jsonschema_rs import ValidationError, ValidationErrorKind, Validator

from bridge.errors import Fault, MalformedError, NotJsonError
from bridge.formats.json_text import parse_json
from bridge.formats.pointers import pointer_to
from bridge.schemas.faults import unexpected_members

ROUNDS_MAX = 4
"""So many texts within texts are read; each shows only once the one around it was."""

Kinds = ValidationErrorKind


def mended(
    validator: Validator, value: Any, spare: Iterable[str] = (), faults: list[Fault] | None = None
) -> Any:
    """Return what a value that is refused was meant to be, if that is allowed, or else the value.

    `spare` are members of the whole that may be left out where the schema refuses them. What keeps
    JSON in a text from being read, a number beyond a double say, is added to `faults`.
    """
    wrong = [] if faults is None else faults
    meant = {"": copy.deepcopy(value)}  # a member like the others, so that all can be replaced
    for _ in range(ROUNDS_MAX):
        errors = list(validator.iter_errors(meant[""]))
        if not errors:
            return meant[""]
        if not [error for error in errors if _mend(meant, error, frozenset(spare), wrong)]:
            break
    return value


def _mend(
    meant: dict[str, Any], error: ValidationError, spare: frozenset[str], wrong: list[Fault]
) -> bool:
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
    if not isinstance(found, str) or not _refuses_text(error):
        return False
    try:
        return _read(around, last, found)
    except MalformedError as unread:
        place = pointer_to(tuple(error.instance_path))
        fault = Fault(place, f"is JSON in a text that cannot be taken: {unread}")
        wrong += [] if fault in wrong else [fault]
        return False


def _there(around: Any, last: str | int) -> Any:
    """Return what is there, or None where an earlier change left nothing."""
    if isinstance(around, list):
        return around[int(last)]
    return around.get(last) if isinstance(around, dict) else None


def _refuses_text(error: ValidationError) -> bool:
    """Report whether an error says that no text at all is allowed here."""
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
    """Put the value of JSON in the place of its text; return whether it is JSON of anything else.

    Raises:
        MalformedError: it is JSON that no value may be.
    """
    try:
        value = parse_json(text.encode())
    except (NotJsonError, UnicodeEncodeError):
        return False
    if isinstance(value, str):
        return False
    around[last] = value
    return True
