"""Payloads: bytes from outside become JSON, or an error that says where they are wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedError, NotFoundError, UnsupportedMediaError
from bridge.models import Json
from bridge.payloads import (
    DEPTH_MAX,
    SUMMARY_CHARS,
    page,
    parse_json,
    read_payload,
    resolve,
    summarize,
)
from bridge.pointers import pointer_to

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


@given(st.binary(max_size=200))
def test_whatever_comes_in_is_read_or_refused_and_never_crashes(content: bytes) -> None:
    try:
        value = parse_json(content)
    except MalformedError as error:
        assert str(error).startswith(("not JSON", "not UTF-8", "a string holds"))  # noqa: PT017 - either way is right
    else:
        assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON: Expecting value at line 1 column 1"),
        (b"{bad", "not JSON: Expecting property name enclosed in double quotes at line 1 column 2"),
        (b'{\n  "a": 1,\n  "b": tru\n}', "at line 3 column 8"),
        (b'{"a":1} x', "not JSON: Extra data at line 1 column 9"),
        (b"[NaN]", "NaN is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b"1e999", "a number out of bounds"),
        (b"[-1e400]", "a number out of bounds"),
        (b"9" * 5000, "a number out of bounds"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\\ud83e"', "half of a surrogate pair"),
        (b'{"\\udc00": 1}', "half of a surrogate pair"),
        (b'"a\nb"', "not JSON: Invalid control character"),
        (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "nested deeper than 200"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "nested deeper than 200"),
        (b"[" * 100_000, "nested deeper than 200"),
    ],
    ids=lambda part: str(part[:24]),
)
def test_what_is_wrong_is_named_with_its_place(content: bytes, said: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_json(content)
    assert said in str(caught.value)


def test_a_payload_may_be_as_deep_as_the_limit_and_as_wide_as_it_likes() -> None:
    deep = b"[" * DEPTH_MAX + b"1" + b"]" * DEPTH_MAX
    assert json.dumps(parse_json(deep)).encode() == deep
    assert parse_json(b"[" + b"[[]]," * 5000 + b"{}]") == [*([[[]]] * 5000), {}]


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse_json(b'"\\ud83e\\udd80"') == "🦀"


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "Application/JSON ; charset=UTF-8", "x/y+json"]
)
def test_json_is_known_by_its_media_type_and_assumed_without_one(content_type: str) -> None:
    assert read_payload(b'{"a":1}', content_type)[0] == {"a": 1}


def test_a_form_is_an_object_and_a_repeated_field_a_list() -> None:
    value, body = read_payload(b"a=1&b=&c=x+y&c=%C3%A9", "application/x-www-form-urlencoded")

    assert value == {"a": "1", "b": "", "c": ["x y", "é"]}
    assert json.loads(body.content) == value


@given(TEXTS)
def test_a_text_is_a_string(text: str) -> None:
    value, body = read_payload(text.encode(), "text/plain; charset=utf-8")

    assert value == text
    assert parse_json(body.content) == text


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_text_and_forms_must_be_utf8(content_type: str) -> None:
    with pytest.raises(MalformedError, match="not UTF-8 at byte 2"):
        read_payload(b"a=\xff", content_type)


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
        ("/b", "leads nowhere at 'b'"),
        ("/a/2", "leads nowhere at '2'"),
        ("/a/-1", "leads nowhere at '-1'"),
        ("/a/01", "leads nowhere at '01'"),
        ("/a/\u0661", "leads nowhere"),
        ("/a/-", "leads nowhere at '-'"),
        ("/a/0/x", "leads nowhere at 'x'"),
        ("/a/" + "9" * 5000, "leads nowhere"),
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
