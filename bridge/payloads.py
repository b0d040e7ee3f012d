"""Payloads: bytes from outside, read once into JSON, and read by people in parts."""

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn
from urllib.parse import parse_qs

from bridge.errors import MalformedError, NotFoundError, UnsupportedMediaError
from bridge.exact_json import encode, read_fraction, spell
from bridge.models import Body, Json
from bridge.pointers import parts_of

SUMMARY_CHARS = 160
DEPTH_MAX = 200
"""Arrays and objects within each other; the MCP library cannot tell a result of 255."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")


def read_payload(content: bytes, content_type: str) -> tuple[Json, Body]:
    """Read a request body as JSON, a form or text; what is kept of it is always JSON text.

    Raises:
        MalformedError: the body is not what its media type says; names the position.
        UnsupportedMediaError: a media type of another kind.
    """
    media_type = content_type.partition(";")[0].strip().lower() or "application/json"
    if media_type == "application/json" or media_type.endswith("+json"):
        return parse_json(content), Body(content, media_type)
    if media_type == "application/x-www-form-urlencoded":
        if content.lstrip()[:1] in (b"{", b"["):
            raise MalformedError(
                "this is JSON labelled as a form: send Content-Type: application/json"
            )
        fields = parse_qs(_text(content), keep_blank_values=True)
        value: Json = {
            name: list(found) if len(found) > 1 else found[0] for name, found in fields.items()
        }
    elif media_type.startswith("text/"):
        value = _text(content)
    else:
        raise UnsupportedMediaError(f"cannot read {media_type}; send JSON, a form or text")
    return value, Body(encode(value), media_type)


def parse_json(content: bytes) -> Json:
    """Parse strict JSON (RFC 8259): UTF-8, no NaN, no infinity, no lone surrogates, not too deep.

    Raises:
        MalformedError: naming line and column where the parser gave up.
    """
    try:
        value: Json = json.loads(
            content.decode(), parse_constant=_refuse_constant, parse_float=_finite
        )
        if b"\\u" in content:
            spell(value).encode()
        if content.count(b"[") + content.count(b"{") > DEPTH_MAX:
            _refuse_depth(value)
    except json.JSONDecodeError as error:
        raise MalformedError(
            f"not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from error
    except UnicodeDecodeError as error:
        raise MalformedError(f"not UTF-8 at byte {error.start}") from error
    except UnicodeEncodeError as error:
        raise MalformedError(
            "a string holds half of a surrogate pair, which no text can"
        ) from error
    except (RecursionError, ValueError) as error:
        raise MalformedError(
            f"not JSON that can be read: nested deeper than {DEPTH_MAX}, or a number out of bounds"
        ) from error
    return value


def is_deeper(value: Json, levels: int) -> bool:
    """Return whether arrays and objects stand within each other on more levels than so many."""
    level = [value]
    for _ in range(levels + 1):
        outer = [each for each in level if isinstance(each, list | dict)]
        if not outer:
            return False
        level = [
            inner for each in outer for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return True


def summarize(content: bytes) -> str:
    """Give the first characters of a payload on one line."""
    start = content[: SUMMARY_CHARS * 4].decode(errors="ignore")
    line = " ".join(start.split())
    return line if len(line) <= SUMMARY_CHARS else line[: SUMMARY_CHARS - 1] + "…"


def resolve(value: Json, pointer: str) -> Json:
    """Follow a JSON Pointer (RFC 6901).

    Raises:
        NotFoundError: naming the first part that leads nowhere.
    """
    try:
        names = parts_of(pointer)
    except ValueError as error:
        raise NotFoundError(f"the path {error}") from error
    for name in names:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            raise NotFoundError(f"the path leads nowhere at {name!r}")
    return value


@dataclass(frozen=True)
class Page:
    """A part of a text; `next_offset` is None on the last one."""

    text: str
    next_offset: int | None


def page(text: str, offset: int, chars: int) -> Page:
    """Cut `chars` characters out of a text from `offset` on."""
    end = offset + chars
    return Page(text[offset:end], end if end < len(text) else None)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"not UTF-8 at byte {error.start}") from error


def _finite(text: str) -> int | float | Decimal:
    value = read_fraction(text)
    if isinstance(value, float) and math.isinf(value):
        raise ValueError("a number out of bounds")
    return value


def _refuse_depth(value: Json) -> None:
    if is_deeper(value, DEPTH_MAX):
        raise RecursionError


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)
