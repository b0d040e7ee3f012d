"""One HTTP answer of n8n, and what it holds."""

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from bridge.charsets import decode_text, label_in
from bridge.errors import MalformedError, UnsupportedMediaError
from bridge.json_reading import parse_json
from bridge.models import Json

PLAIN_MAX_CHARS = 200
MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")


@dataclass(frozen=True)
class JsonBody:
    """A body that is JSON, whatever its content type says: n8n labels some JSON as HTML."""

    value: Json


@dataclass(frozen=True)
class TextBody:
    """A body that is text and not JSON."""

    text: str


@dataclass(frozen=True)
class BinaryBody:
    """A body that is neither."""


@dataclass(frozen=True)
class Answer:
    """Status, content type and body of one answer."""

    status: int
    content_type: str
    raw: bytes

    @cached_property
    def body(self) -> JsonBody | TextBody | BinaryBody:
        """Read the body once, as what it proves to be."""
        label = label_in(self.content_type)
        with suppress(MalformedError, UnsupportedMediaError):
            return JsonBody(parse_json(self.raw, label, depth_max=None))
        with suppress(MalformedError, UnsupportedMediaError):
            return TextBody(decode_text(self.raw, label))
        return BinaryBody()

    @cached_property
    def message(self) -> str:
        """Give the sentence n8n answered with: its `message` or its plain text; empty if none."""
        match self.body:
            case JsonBody({"message": str(message)}):
                return message
            case TextBody(text) if len(text) <= PLAIN_MAX_CHARS:
                return text.strip()
        return ""

    @property
    def is_success(self) -> bool:
        """Tell whether the status is a 2xx."""
        return 200 <= self.status < 300

    @property
    def is_empty(self) -> bool:
        """Tell whether the body holds nothing."""
        return not self.raw.strip()

    @property
    def is_json(self) -> bool:
        """Tell whether the body is JSON."""
        return isinstance(self.body, JsonBody)

    @property
    def is_binary(self) -> bool:
        """Tell whether the body is neither JSON nor text."""
        return isinstance(self.body, BinaryBody)

    @property
    def is_labelled_html(self) -> bool:
        """Tell whether the content type is HTML, which n8n gives plain texts too."""
        return "html" in self.content_type.lower()

    @property
    def is_page(self) -> bool:
        """Tell whether the body is an HTML page."""
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
        """Give n8n's own `code`, which it sends beside `message`; None if there is none."""
        match self.body:
            case JsonBody({"code": code}):
                return code
        return None
