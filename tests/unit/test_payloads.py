"""Payloads: bytes from outside become JSON, or an error that says where they are wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedError, NotFoundError, UnsupportedMediaError
from bridge.formats.json_text import parse_json
from bridge.formats.long_json import page
from bridge.formats.payloads import SUMMARY_CHARS, read_payload, resolve, summarize
from bridge.formats.pointers import pointer_to
from bridge.models import Json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


@given(VALUES, st.booleans())
def test_any_json_is_read_and_its_bytes_are_kept(value: Json, ascii_only: bool) -> None:
    content = json.dumps(value, ensure_ascii=ascii_only).encode()

    read, body = read_payload(content, "application/json; charset=utf-8")

    assert read == value
    assert (body.content, body.media_type) == (content, "application/json")


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "Application/JSON ; charset=UTF-8", "x/y+json"]
)
def test_json_is_known_by_its_media_type_and_assumed_without_one(content_type: str) -> None:
    assert read_payload(b'{"a":1}', content_type)[0] == {"a": 1}


def test_a_form_is_an_object_and_a_repeated_field_a_list() -> None:
    value, body = read_payload(b"a=1&b=&c=x+y&c=%C3%A9", "application/x-www-form-urlencoded")

    assert value == {"a": "1", "b": "", "c": ["x y", "é"]}
    assert json.loads(body.content) == value


@given(TEXTS.filter(lambda text: not text.startswith("\ufeff")))  # a mark is none of the text
def test_a_text_is_a_string(text: str) -> None:
    value, body = read_payload(text.encode(), "text/plain; charset=utf-8")

    assert value == text
    assert parse_json(body.content) == text


def test_text_without_a_label_must_be_utf8() -> None:
    with pytest.raises(MalformedError, match="not UTF-8 at byte 2"):
        read_payload(b"a=\xff", "text/plain")


FORM = "application/x-www-form-urlencoded"
LATIN = "; charset=iso-8859-1"


@pytest.mark.parametrize(
    ("content", "content_type", "value"),
    [
        (
            b"charset=windows-1252&name=J%FCrgen",
            FORM,
            {"charset": "windows-1252", "name": "Jürgen"},
        ),
        (b"a=%80&_charset_=windows-1252", FORM + LATIN, {"a": "€", "_charset_": "windows-1252"}),
        (b"a=%C3%A9&charset=none-such", FORM, {"a": "é", "charset": "none-such"}),
        (b"a=%8F%BC&charset=Shift_JIS", FORM, {"a": "松", "charset": "Shift_JIS"}),
        (b"text=Gr%FC%DFe", FORM + LATIN, {"text": "Grüße"}),
        (b"text=%A2%E3", FORM + "; charset=gb2312", {"text": "€"}),
        (b"text=Gr\xfc\xdfe", FORM + LATIN, {"text": "Grüße"}),
        (b"text=Gr%FC%DFe+5+%80&x=%C3%A9", FORM, {"text": "Grüße 5 €", "x": "é"}),
        (b"n\xfc=1&n%FC=2", FORM, {"nü": ["1", "2"]}),
        ("Grüße".encode("latin-1"), "text/plain" + LATIN, "Grüße"),
        ("Grüße".encode("utf-16"), "text/csv", "Grüße"),
        ("Grüße".encode("utf-16-le"), "text/csv; charset=UTF-16", "Grüße"),
        (b"\xef\xbb\xbfa;b", "text/csv" + LATIN, "a;b"),
        ("é".encode("latin-1").join((b'"', b'"')), "application/json" + LATIN, "é"),
    ],
    ids=lambda part: ascii(part)[:30],
)
def test_text_is_read_in_the_charset_that_it_or_its_label_names(
    content: bytes, content_type: str, value: Json
) -> None:
    read, body = read_payload(content, content_type)

    assert read == value
    assert json.loads(body.content) == value


@pytest.mark.parametrize(
    ("content", "content_type", "said"),
    [
        (b"a=%FC", FORM + "; charset=utf-8", "the field 'a' is not UTF-8 at byte 0"),
        (b"a=x%81", FORM, "the field 'a' is not UTF-8 at byte 1"),
        (b"\xff", "text/plain; charset=ascii", "not ASCII at byte 0"),
        (b"&" * 20_000, FORM, "more than 10000 fields"),
    ],
)
def test_bytes_that_are_in_no_charset_are_named_and_never_replaced(
    content: bytes, content_type: str, said: str
) -> None:
    with pytest.raises(MalformedError, match=said):
        read_payload(content, content_type)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"a=x%ED%A0%BDy&b=1", {"a": "x\ufffdy", "b": "1"}),
        (b"a=%ED%A0%BD%ED%B8%80", {"a": "\N{GRINNING FACE}"}),
        (b"a=%ED%B8%80%ED%A0%BD", {"a": "\ufffd\ufffd"}),
        (b"%ED%A0%BD=\xed\xa0\xbd\xed\xb8\x80!", {"\ufffd": "\N{GRINNING FACE}!"}),
        (b"a=%ED%A0%BD&a=%F0%9F%98%80", {"a": ["\ufffd", "\N{GRINNING FACE}"]}),
        (b"a=%ED+%BD", {"a": "í ½"}),
    ],
)
@pytest.mark.parametrize("label", ["", "; charset=utf-8"])
def test_half_of_an_emoji_in_a_form_is_the_replacement_character_and_no_letters(
    content: bytes, value: Json, label: str
) -> None:
    if label and b"%ED+" in content:
        with pytest.raises(MalformedError, match="the field 'a' is not UTF-8 at byte 0"):
            read_payload(content, FORM + label)
    else:
        assert read_payload(content, FORM + label)[0] == value


@pytest.mark.parametrize("label", ["utf-7", "hz", "unicode_escape", "rot13", "base64", "x" * 99])
@pytest.mark.parametrize("media_type", ["text/plain", FORM])
def test_what_is_no_charset_is_refused_by_name(label: str, media_type: str) -> None:
    with pytest.raises(UnsupportedMediaError, match="cannot read the charset"):
        read_payload(b"a", f"{media_type}; charset={label}")


def test_a_form_is_in_no_charset_that_hides_its_signs() -> None:
    with pytest.raises(UnsupportedMediaError, match="a form cannot be in UTF-16-LE"):
        read_payload("a=1".encode("utf-16"), FORM + "; charset=utf-16")


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", "nonsense"])
def test_other_media_are_refused_by_name(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaError, match=content_type):
        read_payload(b"{}", content_type)


@given(st.binary(max_size=2000))
def test_a_summary_is_one_short_line(content: bytes) -> None:
    line = summarize(content)

    assert len(line) <= SUMMARY_CHARS
    assert line.splitlines() in ([], [line])


def test_a_summary_that_was_cut_says_so() -> None:
    assert summarize(b"x" * 500) == "x" * 159 + "…"
    assert summarize("é".encode() * 160) == "é" * 160


def places(value: Json, at: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Json]]:
    """Name every place in a value."""
    inner: list[tuple[str | int, Json]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [(at, value), *(place for part, each in inner for place in places(each, (*at, part)))]


@given(VALUES)
def test_every_place_is_found_by_its_pointer(value: Json) -> None:
    for at, part in places(value):
        assert resolve(value, pointer_to(at)) is part


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        ("a", "must be a JSON Pointer"),
        ("/~2", "must be a JSON Pointer"),
        ("/b", 'leads nowhere at "b"'),
        ("/a/2", 'leads nowhere at "2"'),
        ("/a/-1", 'leads nowhere at "-1"'),
        ("/a/01", 'leads nowhere at "01"'),
        ("/a/\u0661", "leads nowhere"),
        ("/a/-", 'leads nowhere at "-"'),
        ("/a/0/x", 'leads nowhere at "x"'),
        ("/a/" + "9" * 5000, 'leads nowhere at "' + "9" * 59 + "…"),
    ],
    ids=lambda part: ascii(part[:12]),
)
def test_a_path_that_leads_nowhere_is_named(pointer: str, said: str) -> None:
    with pytest.raises(NotFoundError, match=said):
        resolve({"a": ["x", "y"]}, pointer)


@given(st.text(max_size=200), st.integers(1, 50))
def test_pages_make_up_the_whole(text: str, chars: int) -> None:
    read, offset = "", 0
    while True:
        part = page(text, offset, chars)
        assert len(part.text) <= chars
        read += part.text
        if part.next_offset is None:
            break
        offset = part.next_offset
    assert read == text
