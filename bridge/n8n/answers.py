"""One HTTP answer of n8n, and what its body proves to be, whatever its content type says."""

import html
import re
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from functools import cached_property

from bridge.errors import MalformedError, NotJsonError, NumberError, UnsupportedMediaError
from bridge.formats.bodies import decode_for_people, decode_text, label_in
from bridge.formats.images import image_type
from bridge.formats.json_text import DEPTH_MAX, parse_json, spell
from bridge.models import Json
from bridge.n8n.outcomes import ResultFile

TITLE_CHARS_MAX = 200
FILE_NAME_CHARS_MAX = 200
CHUNKS = ("begin", "item", "end", "error")
SENTENCES = (
    "message",
    "detail",
    "error_description",
    "error",
    "errors",
    "description",
    "reason",
    "title",
)
"""Where programs put the sentence that says what went wrong, the most telling first."""

_JSON = re.compile(r"application/json|.*\+json")
_TEXTUAL = re.compile(
    r"text/.*|.*\+(json|xml|yaml)"
    r"|application/(json|xml|yaml|javascript|ecmascript|ndjson|jsonl|graphql|toml|sql|csv"
    r"|x-(yaml|javascript|ndjson|jsonlines|www-form-urlencoded|sh|toml))"
)
HEAD_CHARS = 65_536
"""So far into a page its beginning and its title are looked for."""

_PAGE = re.compile(
    r"(?:\s+|<\?xml[^>]*>|<!--.*?-->)*+<(?:!doctype\s+html|(?:html|head|title|meta|script)\b)",
    re.IGNORECASE | re.DOTALL,
)
_CHARSET_OF_PAGE = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
"""Source: HTML, 13.2.3.2, "Prescan a byte stream to determine its encoding"."""

_TITLE = re.compile(r"<title[^>]{0,200}>([^<]*)", re.IGNORECASE)


@dataclass(frozen=True)
class JsonBody:
    """A body that is JSON: n8n labels some JSON as HTML."""

    value: Json


@dataclass(frozen=True)
class TextBody:
    """A body that is text and not JSON; `flaw` says why not, where it is labelled as JSON."""

    text: str
    flaw: str | None = None


@dataclass(frozen=True)
class StreamBody:
    """The lines of JSON in which n8n streams a text; `error` is what it ended with, if badly."""

    text: str
    error: str | None


@dataclass(frozen=True)
class UntenableBody:
    """JSON that no client could be told; `why` names the place."""

    why: str


@dataclass(frozen=True)
class BinaryBody:
    """A body that is none of these: a file."""


AnyBody = JsonBody | TextBody | StreamBody | UntenableBody | BinaryBody


def read_body(raw: bytes, content_type: str, depth_max: int | None = DEPTH_MAX) -> AnyBody:
    """Return what a body is: JSON under any label, text under one that texts have, else a file.

    JSON that is deeper than `depth_max` is taken as the text that it is.
    """
    label = label_in(content_type)
    try:
        value = parse_json(raw, label, depth_max)
        return _failed_stream(value) or JsonBody(value)
    except NumberError as error:
        return UntenableBody(str(error))
    except (MalformedError, UnsupportedMediaError) as error:
        flaw = str(error) if isinstance(error, NotJsonError) else None
    media_type = _media_type(content_type)
    with suppress(MalformedError, UnsupportedMediaError):
        text = decode_text(raw, label)
        if _may_be_text(media_type) and "\0" not in text:
            is_flawed = flaw and _JSON.fullmatch(media_type) and not _is_of_lines(text)
            return _stream(text) or TextBody(text, flaw if is_flawed else None)
    return BinaryBody()


def read_for_people(raw: bytes, content_type: str) -> AnyBody:
    """Return what a body is that only people look at: of text in whatever charset it is.

    What a failure says is of more use with a wrong letter than not at all.
    """
    media_type = _media_type(content_type)
    if not _may_be_text(media_type):
        return BinaryBody()
    in_page = _CHARSET_OF_PAGE.search(raw, 0, HEAD_CHARS)
    labels = (label_in(content_type), in_page[1].decode() if in_page else "")
    text = decode_for_people(raw, labels)
    return BinaryBody() if text is None else read_body(text.encode(), media_type)


def file_name(disposition: str) -> str:
    """Return the name that a Content-Disposition gives a file, without the folders before it.

    Source: RFC 6266.
    """
    header = Message()
    header["Content-Disposition"] = disposition
    return re.split(r"[/\\]", header.get_filename(""))[-1][:FILE_NAME_CHARS_MAX]


def page_title(text: str) -> str | None:
    """Return the title of an HTML page, empty if it has none; None for what is no whole page."""
    if not _PAGE.match(text, 0, HEAD_CHARS):
        return None
    found = _TITLE.search(text, 0, HEAD_CHARS)
    return " ".join(html.unescape(found[1]).split())[:TITLE_CHARS_MAX] if found else ""


def sentence_in(value: Json) -> str:
    """Return the sentence in which JSON says what went wrong; empty if it has none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return "; ".join(filter(None, map(sentence_in, value)))
    if isinstance(value, dict):
        found = (sentence_in(value[name]) for name in SENTENCES if name in value)
        return next(filter(None, found), "")
    return ""


def words_in(body: AnyBody) -> str:
    """Return what a body says in words, of JSON without a sentence all of it; empty if nothing."""
    match body:
        case JsonBody(value):
            return sentence_in(value) or (spell(value) if value else "")
        case TextBody(text):
            title = page_title(text)
            return text.strip() if title is None else title
        case StreamBody(text, error):
            return error or text
    return ""


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _may_be_text(media_type: str) -> bool:
    return not media_type or _TEXTUAL.fullmatch(media_type) is not None


def _is_of_lines(text: str) -> bool:
    """Report whether a text is JSON on each of several lines, which many label as JSON too."""
    lines = [line for line in text.split("\n") if line.strip()]
    with suppress(MalformedError):
        for line in lines:
            parse_json(line.encode())
        return len(lines) > 1
    return False


def _stream(text: str) -> StreamBody | None:
    """Read n8n's streaming answer, a JSON object a line, cut off or not; None for what is none.

    Source: n8n 2.41, `StructuredChunk`: `begin`, `item` with its `content`, `end` or `error`.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    first = _chunks(lines[:1])
    if not first or first[0]["type"] != "begin":
        return None
    chunks = _chunks(lines)
    if chunks is None and lines[-1].startswith("{"):
        chunks = _chunks(lines[:-1])
    if chunks is None:
        return None
    said = "".join(_content(chunk) for chunk in chunks if chunk["type"] == "item")
    errors = [_error(chunk) for chunk in chunks if chunk["type"] == "error"]
    if not errors and chunks[-1]["type"] != "end":
        errors = ["the stream stopped before its end"]
    return StreamBody(said, errors[0] if errors else None)


def _failed_stream(value: Json) -> StreamBody | None:
    """Read the one line that n8n streams, under a 200, when a workflow fails at once."""
    if isinstance(value, dict) and value.get("type") == "error" and _node(value):
        return StreamBody("", _error(value))
    return None


def _chunks(lines: list[str]) -> list[dict[str, Json]] | None:
    with suppress(MalformedError):
        read = parse_json(f"[{','.join(lines)}]".encode())
        chunks = [each for each in read if isinstance(each, dict)] if isinstance(read, list) else []
        if len(chunks) == len(lines) and all(chunk.get("type") in CHUNKS for chunk in chunks):
            return chunks
    return None


def _error(chunk: dict[str, Json]) -> str:
    return _content(chunk) or f"the node {_node(chunk)} failed"


def _node(chunk: dict[str, Json]) -> str:
    match chunk.get("metadata"):
        case {"nodeName": str(node)}:
            return node
    return ""


def _content(chunk: dict[str, Json]) -> str:
    content = chunk.get("content", "")
    return content if isinstance(content, str) else spell(content)


PLAIN_MAX_CHARS = 200
MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")


@dataclass(frozen=True)
class N8nAnswer:
    """Status, content type and body of one answer; JSON nests at most `depth_max` deep."""

    status: int
    content_type: str
    raw: bytes
    disposition: str = ""
    depth_max: int | None = DEPTH_MAX

    @cached_property
    def body(self) -> AnyBody:
        """Read the body once, as what it proves to be."""
        return read_body(self.raw, self.content_type, self.depth_max)

    @property
    def value(self) -> Json:
        """Return the value of a body that is JSON or text; None of any other."""
        match self.body:
            case JsonBody(value):
                return value
            case TextBody(text) | StreamBody(text, None):
                return text
        return None

    @cached_property
    def words(self) -> str:
        """Return what the answer says in words; nobody has looked at them for secrets yet."""
        return words_in(self._seen)

    @cached_property
    def page(self) -> str | None:
        """Return the title of the web page that the body is; None where it is none."""
        return page_title(self._seen.text) if isinstance(self._seen, TextBody) else None

    @cached_property
    def _seen(self) -> AnyBody:
        """Return what the body is to people, who can read what is in no charset that it names."""
        is_unread = isinstance(self.body, BinaryBody)
        return read_for_people(self.raw, self.content_type) if is_unread else self.body

    @property
    def flaw(self) -> str | None:
        """Return why the body is no JSON, though it is labelled as that; None where it may be."""
        return self.body.flaw if isinstance(self.body, TextBody) else None

    @cached_property
    def message(self) -> str:
        """Return the sentence n8n answered with: its `message` or its plain text; empty if none."""
        match self.body:
            case JsonBody({"message": str(message)}):
                return message
            case TextBody(text) if len(text) <= PLAIN_MAX_CHARS:
                return text.strip()
        return ""

    @property
    def is_success(self) -> bool:
        """Report whether the status is a 2xx."""
        return 200 <= self.status < 300

    @property
    def is_empty(self) -> bool:
        """Report whether the body holds nothing."""
        return not self.raw.strip()

    @property
    def is_json(self) -> bool:
        """Report whether the body is JSON."""
        return isinstance(self.body, JsonBody)

    @property
    def is_binary(self) -> bool:
        """Report whether the body is neither JSON nor text."""
        return isinstance(self.body, BinaryBody)

    @property
    def untenable(self) -> str | None:
        """Report why nobody could be told the JSON that the body is; None where it can be told."""
        return self.body.why if isinstance(self.body, UntenableBody) else None

    @property
    def is_streamed(self) -> bool:
        """Report whether n8n streamed the answer, a line of JSON for each piece of a text."""
        return isinstance(self.body, StreamBody)

    @property
    def is_broken_off(self) -> bool:
        """Report whether n8n streamed the answer and then said that it had failed, or stopped."""
        return isinstance(self.body, StreamBody) and self.body.error is not None

    @property
    def file(self) -> ResultFile:
        """Return the body as a file, an image by the type that its bytes are of."""
        media_type = self.content_type.partition(";")[0].strip().lower()
        known = image_type(self.raw) or media_type or "application/octet-stream"
        return ResultFile(self.raw, known, file_name(self.disposition))

    @property
    def is_labelled_html(self) -> bool:
        """Report whether the content type is HTML, which n8n gives plain texts too."""
        return "html" in self.content_type.lower()

    @property
    def is_page(self) -> bool:
        """Report whether the body is an HTML page."""
        start = self.raw.lstrip()[:14].lower()
        marked_up = self.is_labelled_html and start.startswith(b"<")
        return marked_up or start.startswith((b"<!doctype html", b"<html"))

    @property
    def media_type(self) -> str:
        """Name the content type in a form fit for a sentence."""
        found = MEDIA_TYPE.match(self.content_type)
        return found[0] if found else "no content type"

    @property
    def code(self) -> Json:
        """Return n8n's own `code`, which it sends beside `message`; None if there is none."""
        match self.body:
            case JsonBody({"code": code}):
                return code
        return None
