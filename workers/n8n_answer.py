"""One HTTP answer of n8n, and what it holds."""

import re
from dataclasses import dataclass
from functools import cached_property

from bridge.images import image_type
from bridge.json_reading import DEPTH_MAX
from bridge.models import Json
from bridge.outcomes import ResultFile
from workers.n8n_bodies import (
    AnyBody,
    BinaryBody,
    JsonBody,
    StreamBody,
    TextBody,
    UntenableBody,
    file_name,
    page_title,
    read_body,
    read_for_people,
    words_in,
)

PLAIN_MAX_CHARS = 200
MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")


@dataclass(frozen=True)
class Answer:
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
    def untenable(self) -> str | None:
        """Say why nobody could be told the JSON that the body is; None where it can be told."""
        return self.body.why if isinstance(self.body, UntenableBody) else None

    @property
    def is_streamed(self) -> bool:
        """Tell whether n8n streamed the answer, a line of JSON for each piece of a text."""
        return isinstance(self.body, StreamBody)

    @property
    def is_broken_off(self) -> bool:
        """Tell whether n8n streamed the answer and then said that it had failed, or stopped."""
        return isinstance(self.body, StreamBody) and self.body.error is not None

    @property
    def file(self) -> ResultFile:
        """Return the body as a file, an image by the type that its bytes are of."""
        media_type = self.content_type.partition(";")[0].strip().lower()
        known = image_type(self.raw) or media_type or "application/octet-stream"
        return ResultFile(self.raw, known, file_name(self.disposition))

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
