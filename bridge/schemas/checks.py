"""One check of a value against a schema: does it fit, what was meant, what is wrong with it.

Models and the programs between them and us send null for what they leave out, JSON as a text where
the schema wants anything but a text, and arguments of their own: these are read as they were
meant. Nothing that a schema allows is ever changed.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema_rs import ValidationError, ValidationErrorKind, Validator

from bridge.errors import Fault, MalformedError, NotJsonError
from bridge.formats.json_text import decode, encode, parse_json
from bridge.formats.pointers import pointer_to
from bridge.schemas.compile import Compiled
from bridge.schemas.faults import FAULTS_MAX, faults_found, unexpected_members

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


UNEXPLAINED = Fault("", "is refused, but what is wrong takes too long to find out")
NO_TEXT = Fault("", "holds half of a surrogate pair, which no text can")
TOO_DEEP = Fault("", "is nested too deeply to be checked")


@dataclass(frozen=True)
class CheckOptions:
    """What is asked of a check: whether to mend the value, and what may be left out of it then."""

    lenient: bool = False
    spare: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """What is known of a value: the value that fits, or why none does.

    `has_more` says that there are, or may be, more faults than these.
    """

    is_valid: bool
    value: Any = None
    faults: tuple[Fault, ...] = ()
    has_more: bool = False


def examine(
    compiled: Compiled, value: Any, wish: CheckOptions = CheckOptions()
) -> Iterator[CheckResult]:
    """Return what is known of a value, each time more; only the last one is all of it.

    That the value is refused is known long before its faults are.
    """
    validator = compiled.validator
    try:
        if validator.is_valid(value):
            yield CheckResult(True, value)
            return
        yield CheckResult(False, None, (UNEXPLAINED,))
        unread: list[Fault] = []
        if wish.lenient:
            meant = mended(validator, value, wish.spare, unread)
            if meant is not value:
                yield CheckResult(True, meant)
                return
        for found in faults_found(validator, value):
            named = {fault.pointer for fault in unread}
            faults = (*unread, *(fault for fault in found if fault.pointer not in named))
            yield CheckResult(False, None, faults[:FAULTS_MAX], len(faults) > FAULTS_MAX)
    except UnicodeEncodeError:
        yield CheckResult(False, None, (NO_TEXT,))
    except (ValueError, RecursionError):
        yield CheckResult(False, None, (TOO_DEEP,))


def spell_verdict(verdict: CheckResult, given: Any) -> bytes:
    """Write a verdict as one line of JSON; a value that is still the one given is not repeated."""
    told: dict[str, Any] = {"is_valid": verdict.is_valid}
    if verdict.is_valid and verdict.value is not given:
        told["value"] = verdict.value
    if not verdict.is_valid:
        told["faults"] = [[fault.pointer, fault.detail] for fault in verdict.faults]
        told["has_more"] = verdict.has_more
    return encode(told)


def read_verdict(line: bytes, given: Any) -> CheckResult:
    """Read a verdict back."""
    told = decode(line)
    faults = tuple(Fault(*fault) for fault in told.get("faults", ()))
    return CheckResult(
        told["is_valid"], told.get("value", given), faults, told.get("has_more", False)
    )
