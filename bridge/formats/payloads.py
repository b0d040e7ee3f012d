"""Payloads: read from a request, with the files beside them; and what of a value can be spared.

What is spared is never needed to be right: whatever a schema requires stays, and a value that the
rest would no longer satisfy stays whole. Spared are members that are null, and what n8n wraps
around what it hands on.
"""

import functools
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bridge.errors import MalformedError, NotFoundError, NumberError, UnsupportedMediaError
from bridge.formats.bodies import decode_text, decoded, label_in, read_urlencoded
from bridge.formats.json_text import LONG_BYTES, decode, encode, off_loop, read_json, show
from bridge.formats.long_json import LongJson
from bridge.formats.multipart import FILES, MEDIA_TYPE, read_form
from bridge.formats.pointers import parts_of
from bridge.models import Body, Json

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SUMMARY_CHARS = 160
SUMMARY_BYTES = SUMMARY_CHARS * 4
"""No more of a payload is looked at for its summary."""
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
    start = content[:SUMMARY_BYTES].decode(errors="ignore")
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


def read_kept(content: bytes | str) -> Json | LongJson:
    """Return the value of JSON that the bridge keeps, or the text of one that is long."""
    if len(content) <= LONG_BYTES:
        value: Json = decode(content)
        return value
    return LongJson((content.decode() if isinstance(content, bytes) else content).strip())


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

    @classmethod
    def of_json(cls, value: Json) -> "Content":
        """Return a value as if it had come as JSON."""
        return cls(value, Body(encode(value), JSON))

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
    coding = headers.get("content-encoding")
    content = await decoded(raw, coding, max_bytes) if coding else raw
    content_type = headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == MEDIA_TYPE:
        form = read_form(content, content_type)
        return Content(form.payload, form.body, form.files)
    least = UNZIPPED_APART_BYTES if media_type == FORM else LONG_BYTES
    read = functools.partial(read_payload, content, content_type)
    return Content(*await off_loop(len(content), read, least))


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


Schema = Mapping[str, Any]
Allows = Callable[[Json], bool]

_WEBHOOK = frozenset({"body", "executionMode", "headers", "params", "query", "webhookUrl"})
"""The members of an item that n8n's Webhook node gives."""

_WEBHOOK_ENVELOPE = frozenset({"executionMode", "headers", "webhookUrl"})
_WEBHOOK_PLACES = frozenset({"params", "query"})
"""Members that the node gives in every case, and of which empty ones say nothing."""

_ITEM_ENVELOPE = frozenset({"pairedItem"})


def holds_spareable(text: bytes) -> bool:
    """Report whether JSON may hold what `prune` leaves out, unless it is hard: most has none.

    An escape may stand for a letter of what is looked for.
    """
    return b"null" in text or b"pairedItem" in text or b"webhookUrl" in text or b"\\" in text


def prune(value: Json, schema: Schema | None, allows: Allows, *, hard: bool = False) -> Json:
    """Leave out members that are null, and those in which n8n tells of itself.

    An empty list, object or text may be what was asked for: it is left out only where `hard`.

    Nothing is moved and no list loses an item, so that a JSON Pointer into what is left means the
    same in the whole. Doing it twice changes nothing more.
    """
    spared = _spare(value, _Needed.of(schema, is_hard=hard))
    return spared if allows(spared) else value


def spare_envelopes(
    value: Json, schema: Schema | None, allows: Allows, *, hard: bool = False
) -> Json:
    """Leave out what `prune` does, and give n8n's items as their `json` alone."""
    needed = _Needed.of(schema, is_hard=hard)
    bare = _unwrap(_spare(value, needed))
    if "json" in needed.named or not allows(bare):
        return prune(value, schema, allows, hard=hard)
    return bare


class _Needed:
    """What must stay: members that a schema requires or speaks of, and empty ones, mostly."""

    def __init__(self, required: frozenset[str], named: frozenset[str], is_hard: bool) -> None:
        self.required = required
        self.named = named
        self._is_hard = is_hard

    @classmethod
    def of(cls, schema: Schema | None, *, is_hard: bool) -> "_Needed":
        """Gather the names from wherever in the schema they stand: one too many does no harm."""
        required = frozenset(_required(schema))
        return cls(required, required | frozenset(_described(schema)), is_hard)

    def spares(self, name: str, member: Json) -> bool:
        """Return whether a member can be left out for what it holds."""
        says_nothing = member is None or (self._is_hard and _is_empty(member))
        return says_nothing and name not in self.required


def _required(schema: Schema | None) -> Iterator[str]:
    for keyword, value in _keywords(schema):
        if keyword in ("required", "dependentRequired"):
            lists = value.values() if isinstance(value, Mapping) else [value]
            for names in filter(_is_list, lists):
                yield from filter(_is_text, names)


def _described(schema: Schema | None) -> Iterator[str]:
    for keyword, value in _keywords(schema):
        if keyword == "properties" and isinstance(value, Mapping):
            yield from value


def _keywords(part: Any) -> Iterator[tuple[str, Any]]:
    """Return everything in a schema that stands under a name, however deep."""
    for inner in part if isinstance(part, list) else ():
        yield from _keywords(inner)
    for key, inner in part.items() if isinstance(part, Mapping) else ():
        yield key, inner
        yield from _keywords(inner)


def _spare(value: Json, needed: _Needed) -> Json:
    if isinstance(value, list):
        return [_spare(item, needed) for item in value]
    if not isinstance(value, dict):
        return value
    lean = {name: _spare(member, needed) for name, member in value.items()}
    lean = {name: member for name, member in lean.items() if not needed.spares(name, member)}
    spared = _envelope(lean) - needed.named
    return {name: member for name, member in lean.items() if name not in spared} if spared else lean


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_empty(value: Json) -> bool:
    return isinstance(value, str | list | dict) and not value


def _envelope(value: dict[str, Json]) -> frozenset[str]:
    """Name the members in which n8n tells of itself, if this is an item of its making."""
    if isinstance(value.get("json"), dict) and value.keys() == {"json", "pairedItem"}:
        return _ITEM_ENVELOPE
    if value.keys() >= _WEBHOOK_ENVELOPE and value.keys() <= _WEBHOOK:
        return _WEBHOOK_ENVELOPE | {name for name in _WEBHOOK_PLACES if _is_empty(value.get(name))}
    return frozenset()


def _unwrap(value: Json) -> Json:
    """Return lists of items, each an object with `json` alone, as the list of what is in them."""
    if isinstance(value, dict):
        return {name: _unwrap(member) for name, member in value.items()}
    if not isinstance(value, list):
        return value
    items = [_unwrap(item) for item in value]
    while items and all(_is_item(item) for item in items):
        items = [item["json"] for item in items if isinstance(item, dict)]
    return items


def _is_item(value: Json) -> bool:
    return isinstance(value, dict) and isinstance(value.get("json"), dict) and len(value) == 1
