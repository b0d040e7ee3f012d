"""Pages of files, as text or as base64, cut at whole characters."""

import base64
import codecs
from dataclasses import dataclass
from typing import Literal

CHARACTER_BYTES_MAX = 4
OFFSET_MAX = 2**40
"""Behind the end of any file, and a number that Redis takes."""


@dataclass(frozen=True)
class FilePage:
    """A part of a file; offsets count its bytes, `next_offset` is None on the last page."""

    text: str
    encoding: Literal["text", "base64"]
    next_offset: int | None


@dataclass(frozen=True)
class FilePart:
    """Bytes of a file from some offset on, of how many it has, and what it is said to be."""

    content: bytes
    whole_bytes: int
    media_type: str
    is_text: bool


def is_text(content: bytes) -> bool:
    """Return whether a file can be shown as text: UTF-8 without the character that no text has."""
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def file_page(part: bytes, offset: int, whole_bytes: int, *, is_text: bool) -> FilePage:
    """Show the bytes of a file from `offset` on; a character cut in two is for the next page."""
    is_last = offset + len(part) >= whole_bytes
    if is_text:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(part, final=is_last)
        shown_bytes = len(part) - len(decoder.getstate()[0])
    else:
        text, shown_bytes = base64.b64encode(part).decode(), len(part)
    encoding: Literal["text", "base64"] = "text" if is_text else "base64"
    return FilePage(text, encoding, None if is_last else offset + shown_bytes)


def page_bytes(chars: int) -> int:
    """Report how many bytes of a file fit on a page of so many characters, at least one of them."""
    return max(chars // 4 * 3, CHARACTER_BYTES_MAX)
