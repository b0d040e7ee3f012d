"""What a request carries, unpacked: its payload, and the files beside it."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.errors import MalformedError, TooLargeError, UnsupportedMediaError
from bridge.models import Body, Json
from bridge.multipart import MEDIA_TYPE, read_form
from bridge.payloads import read_payload

_GZIP = 16 + zlib.MAX_WBITS


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


def read_content(raw: bytes, headers: Mapping[str, str], max_bytes: int) -> Content:
    """Unzip a body, if need be, and read it as its media type says.

    Raises:
        MalformedError: it is not what its headers say.
        TooLargeError: unzipped it is longer than `max_bytes`; it is unzipped no further than that.
        UnsupportedMediaError: a kind, or a coding, that is not read here.
    """
    content = _decoded(raw, headers.get("content-encoding", ""), max_bytes)
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() == MEDIA_TYPE:
        form = read_form(content, content_type)
        return Content(form.payload, form.body, form.files)
    return Content(*read_payload(content, content_type))


def _decoded(raw: bytes, coding: str, max_bytes: int) -> bytes:
    match coding.strip().lower():
        case "" | "identity":
            return raw
        case "gzip" | "x-gzip":
            return unzip(raw, max_bytes)
        case _:
            raise UnsupportedMediaError("cannot read this Content-Encoding; send gzip, or none")


def unzip(raw: bytes, max_bytes: int) -> bytes:
    """Inflate gzip, of one member or several (RFC 1952, 2.2).

    Raises:
        MalformedError: it is no gzip, or cut off.
        TooLargeError: there is more than `max_bytes` in it.
    """
    found: list[bytes] = []
    room = max_bytes
    while True:
        member = zlib.decompressobj(_GZIP)
        try:
            found.append(member.decompress(raw, room + 1))
        except zlib.error as error:
            raise MalformedError("the body is no gzip, as its Content-Encoding says") from error
        room -= len(found[-1])
        if room < 0:
            raise TooLargeError(
                f"unzipped, the body is longer than {max_bytes} bytes (BRIDGE_MAX_BODY_BYTES)"
            )
        if not member.eof:
            raise MalformedError("the body is gzip that is cut off")
        raw = member.unused_data
        if not raw:
            return b"".join(found)
