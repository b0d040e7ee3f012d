"""JSON from outside, read strictly, and written again without the loss of a digit.

What a double holds is an int or a float, as everywhere in Python; any other fraction is a Decimal.

On purpose:

1. A byte order mark is no part of it (RFC 8259, 8.1), and it may be in another charset than UTF-8
   where a mark, its label or its own zero bytes say so.
2. Half of a surrogate pair, which JavaScript writes when it cuts a text inside an emoji, becomes
   U+FFFD, as n8n's own webhook does: no UTF-8 can hold it. Two keys that would become one by that
   are refused, for a value would be lost.
3. A number that a double cannot hold is refused: JavaScript would make `null` of it.
"""

import asyncio
import contextlib
import gc
import json
import math
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar

from bridge.errors import MalformedError, NotJsonError, NumberError, shorten
from bridge.formats.bodies import UTF_8, decode_by, demand_codec, take_mark
from bridge.formats.json_faults import JsonFault
from bridge.formats.pointers import pointer_to
from bridge.models import Json

T = TypeVar("T")

BOM = "\ufeff"
LONG_BYTES = 1024 * 1024

_reader = ThreadPoolExecutor(1, "reader")
"""One thread: many long texts at once take no more memory than they would one after the other."""

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
    spelled = _SORTED if sort_keys else _COMPACT if compact else _PLAIN
    return _with_digits(spelled.encode(value)).encode()


def spell(value: object) -> str:
    """Return a value as JSON text with nothing in it that only people need."""
    return _with_digits(_BARE.encode(value))


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


def _marked(number: object) -> str:
    if isinstance(number, Decimal):
        return f"{_MARK}{number}"
    raise TypeError(f"{type(number).__name__} is not JSON")


_PLAIN = json.JSONEncoder(default=_marked)
_SORTED = json.JSONEncoder(default=_marked, sort_keys=True)
_COMPACT = json.JSONEncoder(default=_marked, separators=(",", ":"))
_BARE = json.JSONEncoder(default=_marked, separators=(",", ":"), ensure_ascii=False)


def _with_digits(text: str) -> str:
    return _MARKED.sub(r"\1", text) if _MARK in text else text


DEPTH_MAX = 200
"""Arrays and objects within each other; the MCP library cannot tell a result of 255."""

VALUES_MAX = 2_000_000
"""Members and elements of one text: to read so many takes half a second.

Sixteen megabytes hold as many only where they are shorter than eight characters each.
"""

SHOWN_CHARS = 40

_CONTAINERS = frozenset((dict, list))

_DOUBLE_DIGITS = 308
"""An integer of so many digits is surely a double (IEEE 754)."""

_LONG_NUMBER = re.compile(rf"[0-9](?<![0-9]{{2}})[0-9]{{{_DOUBLE_DIGITS}}}")
"""Sought from the first digit of each number: from every digit, many long ones take seconds."""

_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)

LONG_CHARS = 64 * 1024

_pause_lock = threading.Lock()
_pauses: list[bool] = []
"""Of each long text that is being read, by the loop or beside it: whether to collect behind it."""

STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_HIGH = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(rf"{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW}")


async def off_loop(size_bytes: int, read: Callable[[], T], long_bytes: int = LONG_BYTES) -> T:
    """Return what a function reads out of so many bytes, in a thread where they are many.

    What reads in Python lets the loop run again and again, what reads in C when it has ended.
    """
    if size_bytes <= long_bytes:
        return read()
    return await asyncio.get_running_loop().run_in_executor(_reader, read)


@dataclass(frozen=True)
class ParsedJson:
    """A value, and the JSON text in UTF-8 that says it, digit for digit as it came."""

    value: Json
    text: bytes


def parse_json(content: bytes, label: str = "", depth_max: int | None = DEPTH_MAX) -> Json:
    """Return the value of JSON from outside; `label` is the charset that its sender names.

    Without `depth_max` it may be as deep as Python can read.

    Raises:
        NotJsonError: it is no JSON (RFC 8259); names the place.
        MalformedError: it is deeper than it may be, or two of its keys would become one; names the
            place.
        NumberError: it holds a number that no double can; names the place.
        UnsupportedMediaError: it is not in UTF-8, and the label is no charset that is known here.
    """
    return read_json(content, label, depth_max).value


def read_json(content: bytes, label: str = "", depth_max: int | None = DEPTH_MAX) -> ParsedJson:
    """Read JSON from outside, and keep its text.

    Raises:
        NotJsonError, MalformedError, NumberError, UnsupportedMediaError: as `parse_json`.
    """
    came, is_plain = _text(content, label)
    text = _without_halves(came) if "\\" in came and ("\\ud" in came or "\\uD" in came) else came
    _demand_few(text)
    value = _parsed(text, is_mended=text is not came)
    may_be_deep = text.count("[") + text.count("{") > (depth_max or 0)
    if depth_max is not None and may_be_deep and is_deeper(value, depth_max):
        raise MalformedError(f"nested deeper than {depth_max} arrays and objects")
    return ParsedJson(value, content if is_plain and text is came else text.encode())


def _demand_few(text: str) -> None:
    """Refuse a text of more values than may be read at once, before it is read."""
    if (
        len(text) > VALUES_MAX
        and _marks(text) > VALUES_MAX
        and _marks(STRING.sub("", text)) > VALUES_MAX
    ):
        raise MalformedError(f"JSON of more than {VALUES_MAX} values: send fewer at once")


def _marks(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def is_deeper(value: Json, levels: int) -> bool:
    """Return whether arrays and objects stand within each other on more levels than so many."""
    level: list[Any] = [value] if type(value) in _CONTAINERS else []
    for _ in range(levels):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return False
    return bool(level)


def _text(content: bytes, label: str) -> tuple[str, bool]:
    """Return the text of JSON, and whether it is in UTF-8 without a byte order mark.

    UTF-8 is tried before the label, which has no meaning for JSON (RFC 8259, 11): some name one
    from habit. No other charset begins JSON, whose first letters are ASCII, without a zero byte.
    """
    if content[:1].isascii() and 0 not in content[:4]:
        with contextlib.suppress(UnicodeDecodeError):
            return content.decode(), True
    marked, rest = take_mark(content)
    codec = marked or json.detect_encoding(content[:4])
    if codec == UTF_8 and label:
        with contextlib.suppress(UnicodeDecodeError):
            return rest.decode(), rest is content
        codec = demand_codec(label)
    return decode_by(rest, codec), codec == UTF_8 and rest is content


def _without_halves(text: str) -> str:
    """Write U+FFFD for each escape that is half of a surrogate pair; nothing else moves."""
    if "\0" in text:
        return text  # No JSON holds that character, so it can stand for what is none of ours below.
    escapes = text.replace("\\\\", "\0\0")
    mended = _HALF.sub(r"\\ufffd", escapes)
    return text if mended is escapes else mended.replace("\0\0", "\\\\")


@dataclass(frozen=True, eq=False)
class _NoNumber:
    """Stands in a value where a number is that no value may hold."""

    text: str


@dataclass
class _Numbers:
    """Reads numbers, and remembers what is none that a double holds."""

    wrong: list[_NoNumber] = field(default_factory=list)

    def refuse(self, text: str) -> _NoNumber:
        self.wrong.append(_NoNumber(text))
        return self.wrong[-1]

    def integer(self, text: str) -> int | _NoNumber:
        if len(text) <= _DOUBLE_DIGITS or math.isfinite(float(text)):
            return int(text)
        return self.refuse(text)

    def fraction(self, text: str) -> int | float | Decimal | _NoNumber:
        if len(text) <= _SURELY_EXACT_CHARS and "e" not in text and "E" not in text:
            return float(text)  # as `read_fraction` does, of which there may be a million
        value = read_fraction(text)
        return self.refuse(text) if isinstance(value, float) and math.isinf(value) else value


_AS_EVER = contextlib.nullcontext()


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Have nobody look for garbage while a long text is read, which makes none.

    To look through millions of new lists again and again takes seven times as long as to read them.
    """
    with _pause_lock:
        was_enabled = gc.isenabled()
        _pauses.append(was_enabled or any(_pauses))
        gc.disable()
    try:
        yield
    finally:
        with _pause_lock:
            must_go_on = _pauses.pop()
            if must_go_on and not _pauses:
                gc.enable()


def _has_long_number(text: str) -> bool:
    """Report whether a text may hold an integer that is no double.

    To look for one takes as long as to read all; to look for so many digits takes a tenth.
    """
    digits = text.encode().translate(_DIGITS)
    return b"0" * (_DOUBLE_DIGITS + 1) in digits and _LONG_NUMBER.search(text) is not None


class _NumberFoundError(Exception):
    """There is a number that no value may hold; where, is found by reading all of it."""


def _demand_fraction(text: str) -> int | float | Decimal:
    value = _Numbers().fraction(text)
    return _refuse(text) if isinstance(value, _NoNumber) else value


def _refuse(text: str) -> NoReturn:
    raise _NumberFoundError(text)


_READER = json.JSONDecoder(parse_float=_demand_fraction, parse_constant=_refuse)
"""Made once, for to make one takes as long as to read a short text."""


def _parsed(text: str, *, is_mended: bool) -> Json:
    numbers = _Numbers()
    has_long_number = _has_long_number(text)
    try:
        with _uncollected() if len(text) > LONG_CHARS else _AS_EVER:
            if not (is_mended or has_long_number or text.startswith(BOM)):
                with contextlib.suppress(_NumberFoundError):
                    plain: Json = _READER.decode(text)
                    return plain
            value: Json = json.loads(
                text,
                parse_int=numbers.integer if has_long_number else int,
                parse_float=numbers.fraction,
                parse_constant=numbers.refuse,
                object_pairs_hook=_unmerged if is_mended else None,
            )
    except json.JSONDecodeError as error:
        raise NotJsonError(f"not JSON: {JsonFault.of(error)}") from error
    except RecursionError as error:
        raise MalformedError("not JSON that can be read: it is nested without end") from error
    if numbers.wrong:
        _refuse_number(value, numbers.wrong[0])
    return value


def _unmerged(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen and "\ufffd" in name:
                raise MalformedError(
                    "two keys of one object differ only in halves of surrogate pairs, which no "
                    f"text can hold: both would be {name[:SHOWN_CHARS]!a}"
                )
            seen.add(name)
    return found


def _refuse_number(value: Json, wrong: _NoNumber) -> None:
    shown = wrong.text if len(wrong.text) <= SHOWN_CHARS else wrong.text[:SHOWN_CHARS] + "…"
    place = shorten(_pointer_to(value, wrong) or "(whole)")
    if not shown.lstrip("-")[0].isdigit():
        raise NotJsonError(f"not JSON: {shown} is not JSON, at {place}")
    raise NumberError(
        f"the number {shown} at {place} is beyond what a double can hold: send it as a text"
    )


def _pointer_to(value: object, wanted: _NoNumber) -> str | None:
    """Return the pointer to a part of a value; None where a later key of the same name hid it."""
    if value is wanted:
        return ""
    pending: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while pending:
        outer, place = pending.pop()
        inner = outer.items() if isinstance(outer, dict) else enumerate(outer)
        for key, part in inner:
            if part is wanted:
                return pointer_to((*place, key))
            if isinstance(part, list | dict):
                pending.append((part, (*place, key)))
    return None
