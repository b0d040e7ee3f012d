"""One HTTP answer of n8n, and what it holds."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from bridge.exact_json import decode, read_fraction, spell
from bridge.models import Json

PLAIN_MAX_CHARS = 200
SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
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
        with suppress(ValueError, RecursionError):
            return JsonBody(_json(self.raw))
        with suppress(ValueError, LookupError):
            return TextBody(self.raw.decode(_charset(self.content_type)))
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


def _json(raw: bytes) -> Json:
    value: Json = json.loads(raw, parse_constant=_refuse_constant, parse_float=read_fraction)
    if SURROGATE_ESCAPE.search(raw):
        # JavaScript cuts texts inside a character and sends the half of it, which no UTF-8 can hold
        value = decode(spell(value).encode(errors="replace"))
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _charset(content_type: str) -> str:
    found = re.search(r"charset=\"?([\w-]+)", content_type, re.IGNORECASE)
    return found[1] if found else "utf-8"
