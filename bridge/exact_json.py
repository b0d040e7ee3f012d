"""JSON that is read and written again without the loss of a digit.

What a double holds is an int or a float, as everywhere in Python; any other fraction is a Decimal.
"""

import json
import math
import re
import secrets
from decimal import Decimal, InvalidOperation
from typing import Any

_EXACT_IN_DOUBLES = 2**53
_SURELY_EXACT_CHARS = 16
"""So many characters without an exponent are a point and at most 15 digits, which doubles hold."""

_MARK = secrets.token_hex(16)
_MARKED = re.compile(f'"{_MARK}([^"]*)"')
"""Where a Decimal stands in a text until its digits do: `json` has no way to write them bare."""


def decode(content: bytes | str) -> Any:
    """Read JSON that the bridge itself has written, numbers to the last digit.

    Raises:
        RecursionError: it is nested deeper than can be read.
    """
    return json.loads(content, parse_float=read_fraction)


def encode(value: object, *, sort_keys: bool = False, compact: bool = False) -> bytes:
    """Return a value as JSON in ASCII, as it is kept and sent."""
    separators = (",", ":") if compact else None
    text = json.dumps(value, sort_keys=sort_keys, separators=separators, default=_marked)
    return _with_digits(text).encode()


def spell(value: object) -> str:
    """Return a value as JSON text with nothing in it that only people need."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_marked)
    return _with_digits(text)


def show(value: object, chars_max: int = 60) -> str:
    """Return the beginning of a value's JSON for a sentence that people read.

    The default is what a name needs that somebody has asked for and nobody knows.

    What cannot be seen, or would turn the text around, stands as its escape.
    """
    cut = value[:chars_max] if isinstance(value, str) else value
    text = _with_digits(json.dumps(cut, ensure_ascii=False, default=_marked))
    if not text.isprintable():
        text = "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
    return text if cut == value and len(text) <= chars_max else f"{text[:chars_max]}…"


def read_fraction(text: str) -> int | float | Decimal:
    """Return the number that a JSON text spells with a point or an exponent, as exact as it is.

    One beyond a double becomes infinite.
    """
    value = float(text)
    if (len(text) <= _SURELY_EXACT_CHARS and text.isascii() and "e" not in text.lower()) or (
        math.isinf(value)
    ):
        return value
    spelled = repr(value)
    if spelled == text:  # as most programs write a double, and much the quicker to see
        return value
    try:
        exact = Decimal(text)
    except InvalidOperation:  # an exponent that no Decimal has: nothing but zeros, or nearly zero
        return value
    if exact == Decimal(spelled):
        return value
    return int(exact) if exact == exact.to_integral_value() else exact


def changes_in_javascript(number: float | Decimal) -> bool:
    """Return whether JavaScript's JSON.parse and JSON.stringify would make another number of it.

    Both it and Python write a double with the fewest digits that tell it from its neighbours, so
    that what a double does not hold is what comes back with other digits.

    Source: ECMA-262, Number::toString.
    """
    if isinstance(number, int):
        return abs(number) > _EXACT_IN_DOUBLES and not _is_double(number)
    return isinstance(number, Decimal) or not math.isfinite(number)


def _is_double(number: int) -> bool:
    try:
        return int(Decimal(repr(float(number)))) == number
    except OverflowError:
        return False


def _marked(number: object) -> str:
    if isinstance(number, Decimal):
        return f"{_MARK}{number}"
    raise TypeError(f"{type(number).__name__} is not JSON")


def _with_digits(text: str) -> str:
    return _MARKED.sub(r"\1", text) if _MARK in text else text
