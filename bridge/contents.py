"""What a request carries, unpacked: its payload, and the files beside it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.codings import decoded
from bridge.errors import MalformedError, NumberError
from bridge.exact_json import encode
from bridge.json_reading import read_json
from bridge.models import Body, Json
from bridge.multipart import FILES, MEDIA_TYPE, read_form
from bridge.payloads import FORM, JSON, read_payload

INNER_FIELD = "payload"

LONG_BYTES = 64 * 1024
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
        """Tell how much of it is kept."""
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
    if len(content) > LONG_BYTES and media_type == FORM:
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
