"""Forms: names and values, in the charset that their sender meant."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from urllib.parse import parse_qsl

from bridge.charsets import (
    LAST_RESORT,
    UTF_8,
    codec_of,
    decode_by,
    demand_codec,
    holds_controls,
    is_like_ascii,
)
from bridge.errors import MalformedError, UnsupportedMediaError
from bridge.models import Json

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
