"""Files as contents of MCP: shown where a client's version has a kind for them, else named.

What is shown is known by its bytes, whatever it is said to be: a model's API that is handed what it
cannot take refuses the whole conversation.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import mcp_types as types

from bridge.errors import BridgeError
from bridge.formats.audio import audio_type
from bridge.formats.embedded_files import ANY_TYPE
from bridge.formats.images import IMAGE_BYTES_MAX, image_type

SHOWN_BYTES_MAX = IMAGE_BYTES_MAX
"""How much of all files of one answer is shown; what is behind that is named."""

NAMED_MAX = 20
NAME_CHARS_MAX = 200

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(?: ?;[ -~]{1,100})?", re.ASCII)
"""Source: RFC 6838, 4.2."""

AUDIO_SINCE, LINKS_SINCE = "2025-03-26", "2025-06-18"
"""The protocol versions from which on a tool may answer with audio, and with links."""


@dataclass(frozen=True)
class NamedFile:
    """A file that can be read: its address, what it is called and said to be, and its length."""

    uri: str
    name: str
    media_type: str
    size_bytes: int
    read: Callable[[], Awaitable[bytes]]


async def beside_files(
    told: types.CallToolResult, files: Sequence[NamedFile], version: str
) -> types.CallToolResult:
    """Return a result with the contents of files behind its own."""
    contents = await contents_of(files, version)
    return told.model_copy(update={"content": [*told.content, *contents]})


async def contents_of(files: Sequence[NamedFile], version: str) -> list[types.ContentBlock]:
    """Return what a client of a protocol version is given of files, beside what tells of them."""
    left_bytes = SHOWN_BYTES_MAX
    contents: list[types.ContentBlock] = []
    for file in files[:NAMED_MAX]:
        shown = await _shown(file, version) if file.size_bytes <= left_bytes else None
        if shown:
            left_bytes -= file.size_bytes
        contents.append(shown or _named(file, version))
    if len(files) > NAMED_MAX:
        contents.append(_text(f"{len(files) - NAMED_MAX} more files came along."))
    return contents


async def _shown(file: NamedFile, version: str) -> types.ImageContent | types.AudioContent | None:
    if file.media_type.partition("/")[0] not in ("image", "audio") and file.media_type != ANY_TYPE:
        return None
    try:
        content = await file.read()
    except BridgeError:
        return None  # it is named, and read by whoever asks for it
    if media_type := image_type(content):
        return types.ImageContent(type="image", data=_base64(content), mime_type=media_type)
    media_type = audio_type(content) if version >= AUDIO_SINCE else None
    if media_type is None:
        return None
    return types.AudioContent(type="audio", data=_base64(content), mime_type=media_type)


def media_type_of(said: str) -> str:
    """Return what a file is said to be, or what anything is where that is no media type."""
    return said if _MEDIA_TYPE.fullmatch(said) else ANY_TYPE


def _name_of(said: str) -> str:
    """Return a file's name as it is told: one line that can be seen, without folders before it."""
    last = re.split(r"[/\\]", said)[-1]
    seen = "".join(character if character.isprintable() else " " for character in last)
    return " ".join(seen.split())[:NAME_CHARS_MAX] or "file"


def _named(file: NamedFile, version: str) -> types.ResourceLink | types.TextContent:
    name, media_type = _name_of(file.name), media_type_of(file.media_type)
    if version >= LINKS_SINCE:
        return types.ResourceLink(
            type="resource_link",
            uri=file.uri,
            name=name,
            mime_type=media_type,
            size=file.size_bytes,
        )
    said = f"{name}: {media_type}, {file.size_bytes} bytes"
    return _text(f"{said}. resources/read of {file.uri} gives it.")


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
