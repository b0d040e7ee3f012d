"""Payloads: bytes from outside, read once into JSON, and read by people in parts."""

import re
from codecs import BOM_UTF8
from dataclasses import dataclass

from bridge.charsets import decode_text, label_in
from bridge.errors import MalformedError, NotFoundError, UnsupportedMediaError
from bridge.exact_json import encode, show
from bridge.forms import read_urlencoded
from bridge.json_reading import read_json
from bridge.models import Body, Json
from bridge.pointers import parts_of

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SUMMARY_CHARS = 160
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")


def read_payload(content: bytes, content_type: str) -> tuple[Json, Body]:
    """Read a request body as JSON, a form or text; what is kept of it is always JSON in UTF-8.

    Raises:
        MalformedError: the body is not what its media type says; names the position.
        UnsupportedMediaError: a media type of another kind, or a charset that is not known here.
    """
    media_type = content_type.partition(";")[0].strip().lower() or JSON
    label = label_in(content_type)
    if media_type == JSON or media_type.endswith("+json"):
        parsed = read_json(content, label)
        return parsed.value, Body(parsed.text, media_type)
    if media_type == FORM:
        content = content.removeprefix(BOM_UTF8)
        if content.lstrip()[:1] in (b"{", b"["):
            raise MalformedError(
                "this is JSON labelled as a form: send Content-Type: application/json"
            )
        value: Json = dict(read_urlencoded(content, label))
    elif media_type.startswith("text/"):
        value = decode_text(content, label)
    else:
        raise UnsupportedMediaError(f"cannot read {show(media_type)}: send JSON, a form or text")
    return value, Body(encode(value), media_type)


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
            raise NotFoundError(f"the path leads nowhere at {show(name)}")
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
