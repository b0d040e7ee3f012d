"""JSON too long to be read whole: pages of its text, and where a pointer leads in it."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import NotFoundError
from bridge.formats import long_json
from bridge.formats.json_text import LONG_BYTES
from bridge.formats.long_json import LongJson, completed
from bridge.formats.payloads import read_kept, resolve
from bridge.formats.pointers import pointer_to
from bridge.models import Json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def pointers_in(value: Json, at: tuple[str | int, ...] = ()) -> list[str]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [
        pointer_to(at),
        *(found for name, each in inner for found in pointers_in(each, (*at, name))),
    ]


async def at(kept: LongJson, pointer: str) -> Json | LongJson:
    """Read what a pointer leads to."""
    return read_kept(await kept.text_at(pointer))


@given(value=VALUES, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_a_pointer_leads_where_it_would_in_the_value(
    value: Json, indent: int | None, ascii_only: bool
) -> None:
    kept = LongJson(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    for pointer in pointers_in(value):
        assert asyncio.run(at(kept, pointer)) == resolve(value, pointer)


@pytest.mark.parametrize("pointer", ["/b", "/a/3", "/a/01", "/a/-", "/a/0/x", "/c/0", "no/slash"])
def test_a_pointer_that_leads_nowhere_is_told_so(pointer: str) -> None:
    kept = LongJson('{"a": [1, 2, [3]], "c": "text"}')
    with pytest.raises(NotFoundError):
        asyncio.run(at(kept, pointer))


def test_the_last_member_of_a_name_counts() -> None:
    text = '{"a": {"x": 1}, "a": {"x": 2}}'
    assert asyncio.run(at(LongJson(text), "/a/x")) == json.loads(text)["a"]["x"]


@given(value=VALUES, ascii_only=st.booleans(), chars=st.integers(1, 20))
def test_the_pages_of_a_text_are_the_text(value: Json, ascii_only: bool, chars: int) -> None:
    kept, offset, pages = LongJson(json.dumps(value, ensure_ascii=ascii_only)), 0, []
    while True:
        page = kept.page(offset, chars)
        pages.append(page.text)
        assert len(page.text) <= max(chars, 12)
        if page.next_offset is None:
            break
        assert page.next_offset > offset
        offset = page.next_offset
    assert json.loads("".join(pages)) == value


def begins(part: Json, value: Json) -> bool:
    """Report whether a value begins with a part: with some of its members, of texts with some."""
    match part, value:
        case dict(), dict():
            return all(name in value and begins(own, value[name]) for name, own in part.items())
        case list(), list():
            return all(map(begins, part, value)) and len(part) <= len(value)
        case str(), str():
            return value.startswith(part)
        case _:
            return part == value


@given(
    value=st.lists(VALUES) | st.dictionaries(st.text(), VALUES) | st.text(),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    data=st.data(),
)
def test_the_beginning_of_json_is_completed_without_another_value(
    value: Json, indent: int | None, ascii_only: bool, data: st.DataObject
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    part = json.loads(completed(text[: data.draw(st.integers(1, len(text)))]))
    assert begins(part, value), part
    assert json.loads(completed(text)) == value


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('{"a": 0.1234567890123456789, "b": 12', '{"a": 0.1234567890123456789}'),
        ('{"a": [{"name": tru', '{"a": [{}]}'),
        ('["x", "half of \\ud83d', '["x", "half of "]'),
        ('{"a": 1, "na', '{"a": 1}'),
        ('{"a": 1, "name"', '{"a": 1}'),
        ('["ends in \\', '["ends in "]'),
    ],
)
def test_what_a_cut_may_have_changed_is_left_out(text: str, whole: str) -> None:
    assert completed(text) == whole


@pytest.mark.parametrize("text", ["", ",", "]", "}}", "Bearer abc, def", 'a "b', ": 1"])
def test_a_text_that_is_no_json_is_completed_to_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Extra"):
        json.loads(completed(text))


def test_characters_stand_for_themselves_unless_json_needs_their_escape() -> None:
    text = json.dumps('ä 漢 😀 " \\ \\u0041 \n \x01')
    assert LongJson(text).page(0, 100).text == '"ä 漢 😀 \\" \\\\ \\\\u0041 \\n \\u0001"'


async def test_others_run_while_a_pointer_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_json, "STEPS_AT_ONCE", 100)
    kept = LongJson(json.dumps({"first": [{"a": [1, "]"]}] * 5000, "last": 7}))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    assert await at(kept, "/last") == 7
    counting.cancel()
    assert turns > 50
    before = turns
    assert await at(kept, "/last") == 7
    assert turns == before  # found once is found


def test_only_what_is_long_is_kept_as_text() -> None:
    assert read_kept(b'{"a": 1}') == {"a": 1}
    assert isinstance(read_kept(json.dumps("a" * LONG_BYTES).encode()), LongJson)


@pytest.mark.parametrize(
    ("pointer", "chars", "found"),
    [
        ("/rows/0", 100, ('[2,{"b":3}]', False)),
        ("/rows/1", 4, ('[{"b"', True)),
        ("/rows/2", 100, ("[]", False)),
        ("/a", 100, ('{"rows":[1,2,{"b":3}]}', False)),
    ],
)
async def test_what_stands_behind_a_member_is_an_array_or_object_again(
    pointer: str, chars: int, found: tuple[str, bool]
) -> None:
    text = '{"a": 1, "rows":[1,2,{"b":3}]}'
    assert await LongJson(text).behind(pointer, chars) == found
