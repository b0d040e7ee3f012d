"""JSON from outside: read as others write it, or refused with the place where it is wrong."""

import contextlib
import gc
import json
import timeit
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedError, NumberError
from bridge.formats.json_faults import JsonFault
from bridge.formats.json_text import DEPTH_MAX, parse_json, read_json
from bridge.models import Json


@given(st.binary(max_size=200))
def test_whatever_comes_in_is_read_or_refused_and_never_crashes(content: bytes) -> None:
    try:
        value = parse_json(content)
    except MalformedError as error:
        assert str(error).startswith(("not ", "the number", "nested", "two keys"))  # noqa: PT017 - either way is right
    else:
        assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON: a value is expected at line 1 column 1"),
        (b"{bad", "not JSON: a key in double quotes is expected at line 1 column 2"),
        (b'{\n  "a": 1,\n  "b": tru\n}', "at line 3 column 8"),
        (b'{"a":1} x', "not JSON: more text after the value at line 1 column 9"),
        (b"[NaN]", "NaN is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\xbd"', "not UTF-8 at byte 1"),
        (b'[{"\\ud83d": 1, "\\ud83e": 2}]', "two keys of one object"),
        (b'"a\nb"', "not JSON: an unescaped control character"),
        (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "nested deeper than 200"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "nested deeper than 200"),
        (b"[" * 100_000, "nested without end"),
    ],
    ids=lambda part: str(part[:24]),
)
def test_what_is_wrong_is_named_with_its_place(content: bytes, said: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_json(content)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a" 1}', "a colon is expected at line 1 column 6"),
        ('{"a":1 "b":2}', "a comma or the closing bracket is expected at line 1 column 8"),
        ("[1, 2", "a comma or the closing bracket is expected at line 1 column 6"),
        ('{"a":1,}', "a comma before the closing bracket at line 1 column 7"),
        ('{"a":1,\n}', "a comma before the closing bracket at line 1 column 7"),
        ("[1,\n2 , ]", "a comma before the closing bracket at line 2 column 3"),
        ("[1,,2]", "a value is expected at line 1 column 4"),
        ("[,]", "a value is expected at line 1 column 2"),
        ('"abc', "a string without an end at line 1 column 1"),
        (r'"\x"', "an unknown escape at line 1 column 2"),
        (r'"\u12"', "an escape without four hex digits at line 1 column 3"),
    ],
)
def test_every_version_of_python_names_a_fault_alike(text: str, fault: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    assert str(JsonFault.of(caught.value)) == fault


def test_a_fault_that_a_later_python_names_otherwise_keeps_its_place() -> None:
    unheard_of = json.JSONDecodeError("Words of a later version", "1\n 2", 3)
    assert str(JsonFault.of(unheard_of)) == "at line 2 column 2"


def test_a_payload_may_be_as_deep_as_the_limit_and_as_wide_as_it_likes() -> None:
    deep = b"[" * DEPTH_MAX + b"1" + b"]" * DEPTH_MAX
    assert json.dumps(parse_json(deep)).encode() == deep
    assert parse_json(b"[" + b"[[]]," * 5000 + b"{}]") == [*([[[]]] * 5000), {}]


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse_json(b'"\\ud83e\\udd80"') == "🦀"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1e999", "the number 1e999 at (whole) is beyond what a double can hold"),
        (b'{"a":[1,{"b/c":-1e400}]}', "the number -1e400 at /a/1/b~1c is beyond"),
        (b'["' + b"1" * 400 + b'", ' + b"9" * 5000 + b"]", "the number 99"),
        (b'{"a": 1e999, "a": 1}', "1e999"),
    ],
    ids=lambda part: str(part[:24]),
)
def test_a_number_beyond_a_double_is_named_with_its_place(content: bytes, said: str) -> None:
    with pytest.raises(NumberError) as caught:
        parse_json(content)
    assert said in str(caught.value)


def test_numbers_that_a_double_just_holds_are_read() -> None:
    assert parse_json(b"[1e308, " + b"1" * 309 + b"]") == [1e308, int("1" * 309)]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (rb'"Order \ud83d"', "Order \ufffd"),
        (rb'{"\udc00": ["\uD83D\uD83E"]}', {"\ufffd": ["\ufffd\ufffd"]}),
        (rb'"\ude00\ud83d\ude00\ud83d"', "\ufffd\U0001f600\ufffd"),
        (
            rb'"\\ud83d \\\ud83d\ude00 \\\ud83d \\ud83d\ude00"',
            "\\ud83d \\\U0001f600 \\\ufffd \\ud83d\ufffd",
        ),
        (rb'{"a\ud83d": 1, "b\ud83d": 2, "c": 3, "c": 4}', {"a\ufffd": 1, "b\ufffd": 2, "c": 4}),
    ],
)
def test_half_of_an_emoji_becomes_the_replacement_character(content: bytes, value: Json) -> None:
    read = read_json(content)

    assert read.value == value
    assert json.loads(read.text) == value
    read.text.decode()


@given(st.text(st.characters(min_codepoint=0xD700, max_codepoint=0x1F600) | st.just("\\")))
def test_halves_are_replaced_as_utf16_would_have_it(text: str) -> None:
    wanted = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    assert parse_json(json.dumps(text).encode()) == wanted


def test_the_text_keeps_every_digit() -> None:
    content = rb'{"a": 12345678901234567.89, "b": "\ud83d", "c": 0.10}'

    assert read_json(content).text == content.replace(rb"\ud83d", rb"\ufffd")


@pytest.mark.parametrize(
    "charset", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_json_is_read_in_any_unicode_charset_by_its_mark_or_its_zeros(charset: str) -> None:
    read = read_json('{"a": "é 🦀"}'.encode(charset))

    assert read.value == {"a": "é 🦀"}
    assert json.loads(read.text.decode()) == read.value


def test_a_label_counts_where_json_is_not_utf8() -> None:
    assert parse_json('"é"'.encode("latin-1"), "ISO-8859-1") == "é"
    assert parse_json('"é"'.encode(), "ISO-8859-1") == "é"


@pytest.mark.parametrize("text", ["[" + "[]," * 1_000_001 + "1]", "[" + "1," * 2_000_001 + "1]"])
def test_more_values_than_may_be_read_at_once_are_refused_before_they_are_read(text: str) -> None:
    with pytest.raises(MalformedError, match="more than 2000000 values"):
        parse_json(text.encode())


def test_what_stands_in_a_text_is_no_value_however_often() -> None:
    table = "a,b,[c],{d}\n" * 500_000
    assert parse_json(json.dumps({"csv": table}).encode()) == {"csv": table}


def test_garbage_is_looked_for_again_once_a_long_text_was_read() -> None:
    for text in (b"[" + b"1," * 50_000 + b"1]", b"[" + b"1," * 50_000 + b"x]"):
        with contextlib.suppress(MalformedError):
            parse_json(text)
        assert gc.isenabled()


def test_an_integer_that_no_double_holds_is_found_among_many() -> None:
    with pytest.raises(NumberError):
        parse_json(b"[1," + b"9" * 400 + b"]")
    assert parse_json(b"[" + b"9" * 308 + b"]") == [int("9" * 308)]


def test_many_long_numbers_are_looked_at_once_each() -> None:
    text = json.dumps([10**300 + n for n in range(5000)])

    def seconds(read: Callable[[], object]) -> float:
        return min(timeit.repeat(read, number=1, repeat=5))

    assert seconds(lambda: parse_json(text.encode())) < 50 * seconds(lambda: json.loads(text))
