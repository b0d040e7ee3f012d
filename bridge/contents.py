"""What a request carries, unpacked: its payload, and the files beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.codings import decoded
from bridge.models import Body, Json
from bridge.multipart import MEDIA_TYPE, read_form
from bridge.payloads import read_payload


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
    if content_type.partition(";")[0].strip().lower() == MEDIA_TYPE:
        form = read_form(content, content_type)
        return Content(form.payload, form.body, form.files)
    return Content(*read_payload(content, content_type))
