"""Numbers keep every digit on their way through, and those that JavaScript changes are known."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.formats.json_text import decode, encode, spell
from bridge.mcp.tool_results import changes_in_javascript

KEPT_BY_JAVASCRIPT = [
    "0",
    "-0",
    "-0.0",
    "1.0",
    "0.1",
    "0.10",
    "1e22",
    "1E+2",
    "9007199254740992",
    "-9007199254740992",
    "1000000000000000000",
    "9007199254740994",
    "0.30000000000000004",
    "1.7976931348623157e308",
    "5e-324",
    "123456789012345",
    "100000000000000000000000",
    "1.5e300",
]
CHANGED_BY_JAVASCRIPT = [
    "9007199254740993", "-9007199254740993", "1234567890123456789", "1152921504606846976",
    "12345678901234567.89", "12345678901234567.0", "1.0000000000000000001", "0.1234567890123456789",
    "123456789012345678e3", "1" * 400, "1e-400", "1.2345e-320", "3.141592653589793238462643383279",
]  # fmt: skip


@pytest.mark.parametrize("number", KEPT_BY_JAVASCRIPT)
def test_a_number_that_javascript_keeps_is_no_trouble(number: str) -> None:
    assert not changes_in_javascript(decode(number))
    assert Decimal(spell(decode(number))) == Decimal(number)


@pytest.mark.parametrize("number", CHANGED_BY_JAVASCRIPT)
def test_a_number_that_javascript_changes_is_known_and_keeps_its_digits(number: str) -> None:
    assert changes_in_javascript(decode(number))
    assert Decimal(spell(decode(number))) == Decimal(number)


@given(st.integers(-(10**308), 10**308) | st.decimals(allow_nan=False, allow_infinity=False))
def test_any_number_is_written_as_it_was_read(number: int | Decimal) -> None:
    read = decode(spell({"a": [number]}))["a"][0]
    assert math.isinf(read) or Decimal(read) == Decimal(number) or float(number) == read


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_a_double_holds_is_never_changed(number: float) -> None:
    assert decode(repr(number)) == number
    assert not changes_in_javascript(decode(repr(number)))


def test_an_exponent_beyond_all_decimals_is_read_as_the_double_it_is() -> None:
    assert decode("0e99999999999999999999") == decode("1e-99999999999999999999") == 0
    assert not changes_in_javascript(decode("0e99999999999999999999"))


def test_only_numbers_are_touched_and_not_what_looks_like_them() -> None:
    text = '{"12345678901234567.89":["12345678901234567.89",12345678901234567.89,1e-400]}'
    assert json.loads(encode(decode(text)), parse_float=Decimal) == json.loads(
        text, parse_float=Decimal
    )


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_older_versions_kept_of_numbers_beyond_a_double_is_known(number: float) -> None:
    assert changes_in_javascript(decode(json.dumps(number)))


def test_a_number_of_any_length_is_read_in_little_time() -> None:
    long = "0." + "123456789" * 100_000
    assert spell(decode(long)) == long
