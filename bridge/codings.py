"""Content codings: what was zipped on its way is unzipped, never further than there is room for."""

import asyncio
import zlib

from bridge.charsets import codec_of
from bridge.errors import MalformedError, TooLargeError, UnsupportedMediaError

MEMBERS_MAX = 1000
"""Members of one gzip; whoever zips in blocks of 64 KiB stays far below."""

_PIECE_BYTES = 64 * 1024
"""What one step unzips: zlib copies all that lies behind a member, each time one ends."""

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_BARE = -zlib.MAX_WBITS


async def decoded(raw: bytes, coding: str, max_bytes: int) -> bytes:
    """Take a Content-Encoding off a body, in a thread: zlib lets the event loop run on meanwhile.

    Raises:
        MalformedError: it is not zipped as the header says, cut off, or of too many members.
        TooLargeError: unzipped it is longer than `max_bytes`; it is unzipped no further than that.
        UnsupportedMediaError: a coding that is not read here.

    Source: RFC 9110, 8.4.1.
    """
    named = [each for part in coding.split(",") if (each := part.strip().lower())]
    # Some write the charset there.
    codings = [each for each in named if each != "identity" and codec_of(each) is None]
    match codings:
        case _ if not raw:
            return raw  # the answer to a HEAD names a coding all the same
        case []:
            return raw
        case ["gzip" | "x-gzip"]:
            return await asyncio.to_thread(unzip, raw, max_bytes)
        case ["deflate"]:
            return await asyncio.to_thread(inflate, raw, max_bytes)
        case _:
            raise UnsupportedMediaError("cannot read this Content-Encoding; send gzip, or none")


def unzip(raw: bytes, max_bytes: int) -> bytes:
    """Return what is in gzip, of one member or several (RFC 1952, 2.2).

    Raises:
        MalformedError: it is no gzip, cut off, or of more than MEMBERS_MAX members.
        TooLargeError: there is more than `max_bytes` in it.
    """
    found = bytearray()
    rest = memoryview(raw)
    for _ in range(MEMBERS_MAX):
        rest = rest[_unzip_one(rest, _GZIP, found, max_bytes) :]
        if not rest:
            return bytes(found)
    raise MalformedError(f"the body is gzip of more than {MEMBERS_MAX} members")


def inflate(raw: bytes, max_bytes: int) -> bytes:
    """Return what is in a body coded as `deflate`: zlib's format, which some leave bare.

    Raises:
        MalformedError: it is neither, or cut off.
        TooLargeError: there is more than `max_bytes` in it.
    """
    found = bytearray()
    # RFC 1950, 2.2: the method is 8, and the first two bytes together divide by 31.
    is_zlib = raw[:1] and raw[0] & 15 == zlib.DEFLATED and int.from_bytes(raw[:2], "big") % 31 == 0
    end = _unzip_one(memoryview(raw), _ZLIB if is_zlib else _BARE, found, max_bytes)
    if end < len(raw):
        raise MalformedError(_NOT_ZIPPED)
    return bytes(found)


_NOT_ZIPPED = "the body is not zipped as its Content-Encoding says"


def _unzip_one(raw: memoryview, window_bits: int, found: bytearray, max_bytes: int) -> int:
    """Add what is in the first member to `found`; tell where the member ends."""
    member = zlib.decompressobj(window_bits)
    at = 0
    while not member.eof:
        piece = raw[at : at + _PIECE_BYTES]
        if not piece:
            raise MalformedError("the body is zipped, but cut off")
        try:
            found += member.decompress(piece, max_bytes - len(found) + 1)
        except zlib.error as error:
            raise MalformedError(_NOT_ZIPPED) from error
        if len(found) > max_bytes:
            raise TooLargeError(
                f"unzipped, the body is longer than {max_bytes} bytes (BRIDGE_MAX_BODY_BYTES)"
            )
        at += len(piece) - len(member.unused_data)
    return at
