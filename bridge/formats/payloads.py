"""Payloads: read once from a request, with the files beside them, and shown in parts.

To read fifteen megabytes of JSON into values and to write them again takes a second or two, in
which the process does nothing else. So what is that long is cut out of its text, and where a
pointer leads in it is found a little at a time.
"""

import asyncio
import json
import re
from codecs import BOM_UTF8
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.errors import MalformedError, NotFoundError, NumberError, UnsupportedMediaError
from bridge.formats.bodies import decode_text, decoded, label_in, read_urlencoded
from bridge.formats.json_text import STRING, decode, encode, read_json, show
from bridge.formats.multipart import FILES, MEDIA_TYPE, read_form
from bridge.formats.pointers import parts_of
from bridge.models import Body, Json

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
    """Return the first characters of a payload on one line."""
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


LONG_BYTES = 1024 * 1024
STEPS_AT_ONCE = 5000
PLACES_KEPT = 1000

Span = tuple[int, int]

_STRING_OR_BRACKET = re.compile(rf"{STRING.pattern}|[\[\]{{}}]", re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]+")
_BLANK = re.compile(r"[\s,:]*")
_ESCAPE = re.compile(r"\\(?:u([dD][89abAB]..)\\u([dD][c-fC-F]..)|u(....)|.)", re.DOTALL)

_places: OrderedDict[tuple[int, int, str], Span] = OrderedDict()


@dataclass(frozen=True)
class LongJson:
    """Valid JSON, as text."""

    text: str

    def page(self, offset: int, chars: int) -> Page:
        """Return about `chars` characters from `offset` on, with no escape cut in two.

        Characters stand for themselves where they are kept as escapes.
        """
        end = min(offset + chars, len(self.text))
        for escape in _ESCAPE.finditer(self.text, offset):
            if escape.start() >= end:
                break
            if escape.end() > end:
                end = escape.start() if escape.start() > offset else escape.end()
        shown = _ESCAPE.sub(_character, self.text[offset:end])
        return Page(shown, end if end < len(self.text) else None)

    async def at(self, pointer: str) -> "Json | LongJson":
        """Return what a JSON Pointer names, as a value if that is not long.

        Raises:
            NotFoundError: it leads nowhere.
        """
        key = (hash(self.text), len(self.text), pointer)
        start, end = _places.get(key) or await _Walk(self.text).to(pointer)
        _places[key] = (start, end)
        _places.move_to_end(key)
        if len(_places) > PLACES_KEPT:
            _places.popitem(last=False)
        return read_kept(self.text[start:end])


def read_kept(content: bytes | str) -> Json | LongJson:
    """Return the value of JSON that the bridge keeps, or the text of one that is long."""
    if len(content) <= LONG_BYTES:
        value: Json = decode(content)
        return value
    return LongJson((content.decode() if isinstance(content, bytes) else content).strip())


def _character(escape: re.Match[str]) -> str:
    high, low, one = escape.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
    if one is None or (number := int(one, 16)) < 0x20 or 0xD800 <= number < 0xE000:
        return escape[0]
    return escape[0] if chr(number) in '"\\' else chr(number)


class _Walk:
    """Finds its way through a text, and lets others run on the way."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._steps = 0

    async def to(self, pointer: str) -> Span:
        """Return where what a pointer names begins and ends."""
        try:
            names = parts_of(pointer)
        except ValueError as error:
            raise NotFoundError(f"the path {error}") from error
        span = (0, len(self._text))
        for name in names:
            found = await self._member(span[0], name)
            if found is None:
                raise NotFoundError(f"the path leads nowhere at {show(name)}")
            span = found
        return span

    async def _member(self, at: int, name: str) -> Span | None:
        is_object = self._text[at] == "{"
        if not is_object and (self._text[at] != "[" or not re.fullmatch("0|[1-9][0-9]*", name)):
            return None
        found, index = None, 0
        at = self._after_blank(at + 1)
        while self._text[at] not in "]}":
            own = str(index)
            if is_object:
                end = await self._end(at)
                own = json.loads(self._text[at:end])
                at = self._after_blank(end)
            end = await self._end(at)
            if own == name:
                found = (at, end)  # of two members of one name the last one counts
                if not is_object:
                    break
            at, index = self._after_blank(end), index + 1
        return found

    async def _end(self, at: int) -> int:
        """Return where the value that begins at `at` ends."""
        await self._step()
        if self._text[at] not in "[{":
            kind = STRING if self._text[at] == '"' else _SCALAR
            return _end_of(kind.match(self._text, at))
        depth = 0
        while True:
            found = _STRING_OR_BRACKET.search(self._text, at)
            at = _end_of(found)
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(self._text[at - 1], 0)
            if depth == 0:
                return at
            await self._step()

    async def _step(self) -> None:
        self._steps += 1
        if self._steps % STEPS_AT_ONCE == 0:
            await asyncio.sleep(0)

    def _after_blank(self, at: int) -> int:
        return _end_of(_BLANK.match(self._text, at))


def _end_of(found: re.Match[str] | None) -> int:
    assert found is not None, "what is kept is valid JSON"
    return found.end()


INNER_FIELD = "payload"

UNZIPPED_APART_BYTES = 64 * 1024
"""A form beyond it is read in a thread: to decode each `%` of 16 MiB takes seconds."""

_FORMS = frozenset({FORM, MEDIA_TYPE})


@dataclass(frozen=True)
class Content:
    """A payload, as a value and as it is kept, and the files that came with it."""

    payload: Json
    body: Body
    files: tuple[bytes, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Report how much of it is kept."""
        return len(self.body.content) + sum(map(len, self.files))


async def read_content(raw: bytes, headers: Mapping[str, str], max_bytes: int) -> Content:
    """Unzip a body, if need be, and read it as its media type and charset say.

    Raises:
        MalformedError: it is not what its headers say.
        TooLargeError: unzipped it is longer than `max_bytes`; it is unzipped no further than that.
        UnsupportedMediaError: a kind, a coding or a charset that is not read here.
    """
    content = await decoded(raw, headers.get("content-encoding", ""), max_bytes)
    content_type = headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == MEDIA_TYPE:
        form = read_form(content, content_type)
        return Content(form.payload, form.body, form.files)
    if len(content) > UNZIPPED_APART_BYTES and media_type == FORM:
        return Content(*await asyncio.to_thread(read_payload, content, content_type))
    return Content(*read_payload(content, content_type))


def inner_json(content: Content) -> Content | None:
    """Return the object or array that came as a text, or in a form's field `payload`.

    So send Amazon SNS, and GitHub's and Slack's forms. None where there is nothing of the kind.

    Raises:
        NumberError: there is one, and it holds a number that no double can; names the place.
    """
    text: Json = content.payload
    files: Json = None
    if isinstance(content.payload, dict) and content.body.media_type in _FORMS:
        text, files = content.payload.get(INNER_FIELD), content.payload.get(FILES)
    if not isinstance(text, str):
        return None
    try:
        found = read_json(text.encode())
    except NumberError:
        if text.lstrip()[:1] in ("{", "["):
            raise
        return None
    except MalformedError:
        return None
    if not files:
        is_structure = isinstance(found.value, dict | list)
        return Content(found.value, Body(found.text, JSON)) if is_structure else None
    if not isinstance(found.value, dict) or FILES in found.value:
        return None
    payload = {**found.value, FILES: files}
    return replace(content, payload=payload, body=replace(content.body, content=encode(payload)))
