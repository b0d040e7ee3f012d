"""One check of a value against a schema: does it fit, what was meant, what is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.errors import Fault
from bridge.exact_json import decode, encode
from bridge.lenient_values import mended
from bridge.schema_faults import FAULTS_MAX, faults_found
from bridge.schemas import Compiled

UNEXPLAINED = Fault("", "is refused, but what is wrong takes too long to find out")
NO_TEXT = Fault("", "holds half of a surrogate pair, which no text can")
TOO_DEEP = Fault("", "is nested too deeply to be checked")


@dataclass(frozen=True)
class Wish:
    """What is asked of a check: whether to mend the value, and what may be left out of it then."""

    lenient: bool = False
    spare: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What is known of a value: the value that fits, or why none does.

    `has_more` says that there are, or may be, more faults than these.
    """

    is_valid: bool
    value: Any = None
    faults: tuple[Fault, ...] = ()
    has_more: bool = False


def examine(compiled: Compiled, value: Any, wish: Wish = Wish()) -> Iterator[Verdict]:
    """Give what is known of a value, each time more; only the last one is all of it.

    That the value is refused is known long before its faults are.
    """
    validator = compiled.validator
    try:
        if validator.is_valid(value):
            yield Verdict(True, value)
            return
        yield Verdict(False, None, (UNEXPLAINED,))
        unread: list[Fault] = []
        if wish.lenient:
            meant = mended(validator, value, wish.spare, unread)
            if meant is not value:
                yield Verdict(True, meant)
                return
        for found in faults_found(validator, value):
            named = {fault.pointer for fault in unread}
            faults = (*unread, *(fault for fault in found if fault.pointer not in named))
            yield Verdict(False, None, faults[:FAULTS_MAX], len(faults) > FAULTS_MAX)
    except UnicodeEncodeError:
        yield Verdict(False, None, (NO_TEXT,))
    except (ValueError, RecursionError):
        yield Verdict(False, None, (TOO_DEEP,))


def spell_verdict(verdict: Verdict, given: Any) -> bytes:
    """Write a verdict as one line of JSON; a value that is still the one given is not repeated."""
    told: dict[str, Any] = {"is_valid": verdict.is_valid}
    if verdict.is_valid and verdict.value is not given:
        told["value"] = verdict.value
    if not verdict.is_valid:
        told["faults"] = [[fault.pointer, fault.detail] for fault in verdict.faults]
        told["has_more"] = verdict.has_more
    return encode(told)


def read_verdict(line: bytes, given: Any) -> Verdict:
    """Read a verdict back."""
    told = decode(line)
    faults = tuple(Fault(*fault) for fault in told.get("faults", ()))
    return Verdict(told["is_valid"], told.get("value", given), faults, told.get("has_more", False))
