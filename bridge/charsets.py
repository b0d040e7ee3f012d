"""Charsets: bytes become text as a byte order mark, a label or their kind says.

On purpose:

1. Nothing is ever replaced: bytes that a charset does not have are an error that names the place.
2. Labels are looked up among Python's codecs, but only those named here count: `unicode_escape` or
   `idna` are no charsets, and UTF-7 and HZ hide markup in plain ASCII.
3. Only what a failure says, which people read and nothing works with, is read by guessing.
4. A byte order mark is obeyed before any label, and is no part of the text (Encoding Standard, 6).
"""

import codecs
import re
from collections.abc import Iterable
from contextlib import suppress

from bridge.errors import MalformedError, UnsupportedMediaError

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
