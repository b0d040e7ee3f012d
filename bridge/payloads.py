"""Payloads: bytes from outside, read once into JSON, and read by people in parts."""

import json
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qs

from bridge.errors import MalformedError, NotFoundError, UnsupportedMediaError
from bridge.models import Body, Json

SUMMARY_CHARS = 160


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
        fields = parse_qs(_text(content), keep_blank_values=True)
        value: Json = {
            name: list(found) if len(found) > 1 else found[0] for name, found in fields.items()
        }
    elif media_type.startswith("text/"):
        value = _text(content)
    else:
        raise UnsupportedMediaError(f"cannot read {media_type}; send JSON, a form or text")
    return value, Body(json.dumps(value).encode(), media_type)


def parse_json(content: bytes) -> Json:
    """Parse strict JSON (RFC 8259): UTF-8, no NaN, no lone surrogates.

    Raises:
        MalformedError: naming line and column where the parser gave up.
    """
    try:
        value: Json = json.loads(content.decode(), parse_constant=_refuse_constant)
        if b"\\u" in content:
            json.dumps(value, ensure_ascii=False).encode()
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
            "not JSON that can be read: nested too deep, or a number out of bounds"
        ) from error
    return value


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
    if pointer and not pointer.startswith("/"):
        raise NotFoundError("a path starts with / (JSON Pointer), as in /ticket/id")
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
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


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)
