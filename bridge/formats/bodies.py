"""Bodies of HTTP: unzipped as far as there is room, text by their charset, forms by their fields.

On purpose:

1. Nothing is ever replaced: bytes that a charset does not have are an error that names the place.
2. Labels are looked up among Python's codecs, but only those named here count: `unicode_escape` or
   `idna` are no charsets, and UTF-7 and HZ hide markup in plain ASCII.
3. A byte order mark is obeyed before any label, and is no part of the text (Encoding Standard, 6).
"""

import asyncio
import codecs
import re
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from urllib.parse import parse_qsl

from bridge.errors import MalformedError, TooLargeError, UnsupportedMediaError
from bridge.models import Json

UTF_8 = "utf-8"
LAST_RESORT = "cp1252"
"""What forms without a label are written in that are not UTF-8: windows-1252, as browsers hold."""

_CODE_PAGES = (437, 737, 775, 850, 852, 855, 857, 858, *range(860, 867), 869, 874, 932, 949, 950)
_NAMES = (
    "utf-8 utf-16-le utf-16-be utf-32-le utf-32-be ascii tis-620 koi8-r koi8-u koi8-t kz1048 "
    "mac-roman mac-cyrillic mac-latin2 mac-greek mac-turkish big5 big5hkscs gb2312 gbk gb18030 "
    "shift_jis euc_jp iso2022_jp euc_kr johab"
)
_CHARSETS = frozenset(_NAMES.split()).union(
    (f"iso8859-{part}" for part in range(1, 17)),
    (f"cp{number}" for number in (*_CODE_PAGES, *range(1250, 1259))),
)

# Encoding Standard, 4.2: labels that Python does not know, and what the web reads under labels
# whose own codec does not have a byte. Without a mark UTF-16 is little-endian.
_ALIASES = {
    "utf-16": "utf-16-le",
    "utf-32": "utf-32-le",
    "utf-8-sig": UTF_8,
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "x-gbk": "gbk",
    "x-sjis": "shift_jis",
    "iso-8859-8-i": "iso8859-8",
}
_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "cp950",
    "tis-620": "cp874",
}

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    # That of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1f]")
_PARAMETER = re.compile(r""";\s*charset\s*=\s*["']?\s*([^\s;,"']+)""", re.IGNORECASE)


def label_in(content_type: str) -> str:
    """Return the `charset` that a Content-Type names; empty when it names none."""
    found = _PARAMETER.search(content_type)
    return found[1] if found else ""


def codec_of(label: str) -> str | None:
    """Return Python's name for the charset of a label; None for what is no charset known here."""
    label = label.strip().lower()
    try:
        name = codecs.lookup(_ALIASES.get(label, label)).name
    except (LookupError, ValueError):
        return None
    name = _ALIASES.get(name, name)
    return name if name in _CHARSETS else None


def demand_codec(label: str) -> str:
    """Return Python's name for the charset of a label.

    Raises:
        UnsupportedMediaError: it is no charset that is known here.
    """
    codec = codec_of(label)
    if codec is None:
        raise UnsupportedMediaError(f"cannot read the charset {label[:40]!a}: send UTF-8")
    return codec


def take_mark(raw: bytes) -> tuple[str | None, bytes]:
    """Return what a byte order mark says the charset is, and the bytes behind it."""
    for mark, codec in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return codec, raw[len(mark) :]
    return None, raw


def decode_text(raw: bytes, label: str = "", what: str = "") -> str:
    """Read bytes as text: by a byte order mark, else by the label given, else as UTF-8.

    `what` names them in the error.

    Raises:
        MalformedError: they are not in that charset; names the first byte that is not.
        UnsupportedMediaError: the label is no charset that is known here.
    """
    marked, rest = take_mark(raw)
    return decode_by(rest, marked or (demand_codec(label) if label else UTF_8), what)


def decode_by(raw: bytes, codec: str, what: str = "") -> str:
    """Read bytes as text by one of Python's codecs; `what` names them in the error.

    Raises:
        MalformedError: they are not in that charset; names the first byte that is not.
    """
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        if wider := _WIDER.get(codec):
            return decode_by(raw, wider, what)
        subject = f"{what} is not" if what else "not"
        raise MalformedError(f"{subject} {codec.upper()} at byte {error.start}") from error


def decode_surrogates(raw: bytes) -> str | None:
    """Read UTF-8 in which surrogates stand as if they were characters; None for what is none.

    A pair of them is the character that it means, and half of one U+FFFD, as in JSON.

    Source: Unicode Technical Report 26, CESU-8.
    """
    with suppress(UnicodeDecodeError):
        return (
            raw.decode(UTF_8, "surrogatepass")
            .encode("utf-16-le", "surrogatepass")
            .decode("utf-16-le", "replace")
        )
    return None


def holds_controls(raw: bytes) -> bool:
    """Report whether bytes hold what nobody types: then they are no text in an unnamed charset."""
    return _CONTROLS.search(raw) is not None


def decode_for_people(raw: bytes, labels: Iterable[str]) -> str | None:
    """Read text that only people look at, in whatever charset it is; None for what is no text.

    By a byte order mark, the labels, UTF-8 and windows-1252 in turn. A character that is cut off at
    the end is left out.
    """
    marked, rest = take_mark(raw)
    for codec in filter(None, (marked, *map(codec_of, labels), UTF_8)):
        with suppress(UnicodeDecodeError):
            return codecs.getincrementaldecoder(codec)().decode(rest)
    if holds_controls(rest):
        return None
    with suppress(UnicodeDecodeError):
        return rest.decode(LAST_RESORT)
    return rest.decode("latin-1")


def is_like_ascii(codec: str) -> bool:
    """Report whether ASCII characters stand in a charset as they do in ASCII, byte for byte."""
    return "a=1&%".encode(codec) == b"a=1&%"


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


Pairs = Sequence[tuple[bytes, bytes]]

FIELDS_MAX = 10_000

_BYTES = "latin-1"
"""A charset in which every byte is a character, so that text can stand for bytes."""


def read_pairs(encoded: bytes) -> Pairs:
    """Return the names and values of `application/x-www-form-urlencoded`, as bytes yet.

    Raises:
        MalformedError: there are more than FIELDS_MAX.
    """
    text = encoded.decode(_BYTES)
    try:
        found = parse_qsl(text, keep_blank_values=True, encoding=_BYTES, max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise MalformedError(f"the form has more than {FIELDS_MAX} fields") from error
    return [(name.encode(_BYTES), value.encode(_BYTES)) for name, value in found]


def read_urlencoded(encoded: bytes, label: str = "") -> dict[str, Json]:
    """Read `application/x-www-form-urlencoded`; a repeated name becomes a list.

    Raises:
        MalformedError: it is not in the charset that it names; says where.
        UnsupportedMediaError: the label is no charset that a form can be in.
    """
    pairs = read_pairs(encoded)
    codecs = charsets_of(pairs, label)
    return as_object(
        (decode_field(name, codecs, "the name of a field"), decode_value(name, value, codecs))
        for name, value in pairs
    )


def charsets_of(pairs: Pairs, label: str = "") -> tuple[str, ...]:
    """Return the charsets that a form may be in, to be tried in turn.

    A field `_charset_` comes first (HTML, 4.10.18.7: the browser fills it in), then the label, then
    a field `charset`, as PayPal sends. A form without any of them is in UTF-8, or windows-1252.

    Raises:
        UnsupportedMediaError: the label is no charset that a form can be in.
    """
    codec = _from_field(pairs, b"_charset_")
    if codec is None and label:
        codec = demand_codec(label)
        if not is_like_ascii(codec):
            raise UnsupportedMediaError(f"a form cannot be in {codec.upper()}: send UTF-8")
    codec = codec or _from_field(pairs, b"charset")
    return (codec,) if codec else (UTF_8, LAST_RESORT)


def decode_value(name: bytes, value: bytes, codecs: Sequence[str]) -> str:
    """Read the value of a field by the first charset that has all of its bytes.

    Raises:
        MalformedError: none has; names the field, and the first byte that the first has not.
    """
    return decode_field(value, codecs, named(name))


def named(name: bytes) -> str:
    """Return how an error calls a field."""
    return f"the field {name.decode(_BYTES)[:40]!a}"


def decode_field(raw: bytes, codecs: Sequence[str], what: str) -> str:
    """Read bytes by the first charset that has all of them.

    Raises:
        MalformedError: none has; names `what`, and the first byte that the first has not.
    """
    for codec in codecs:
        if codec == UTF_8 and (text := decode_surrogates(raw)) is not None:
            return text  # JavaScript cuts texts inside an emoji, and windows-1252 reads nearly all.
        if codec == LAST_RESORT and len(codecs) > 1 and holds_controls(raw):
            continue  # It would read nearly anything, an image too, and make letters of it.
        with suppress(MalformedError):
            return decode_by(raw, codec)
    return decode_by(raw, codecs[0], what)


def as_object(fields: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    """Return fields by name; the values of a repeated name are a list."""
    found: dict[str, list[Json]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _from_field(pairs: Pairs, name: bytes) -> str | None:
    """Return the charset that a field names; None where it has another meaning."""
    named = next((value for key, value in pairs if key == name), b"")
    codec = codec_of(named.decode(_BYTES))
    return codec if codec and is_like_ascii(codec) else None
