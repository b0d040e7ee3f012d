"""Times and rates as people write them."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.formats.quantities import SECONDS_MAX, Rate, rate, seconds

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}


@given(st.integers(0, 36_500), st.sampled_from(sorted(UNITS)))
def test_a_whole_number_of_any_unit_is_so_many_seconds(count: int, unit: str) -> None:
    assert seconds(f"{count}{unit}") == pytest.approx(count * UNITS[unit])


@given(st.floats(0, SECONDS_MAX))
def test_a_plain_number_is_seconds(value: float) -> None:
    assert seconds(value) == value


@given(st.text() | st.floats() | st.booleans() | st.none() | st.lists(st.integers()))
def test_whatever_is_read_as_a_time_is_finite_and_not_negative(raw: object) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= seconds(raw) < math.inf


@pytest.mark.parametrize(
    "raw", ["-1s", "1 h", "1w", "1h30m", "s", "", "9" * 400, "\u0661s", "1s\n", True, -1, math.nan]
)
def test_what_only_looks_like_a_time_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="must be a time"):
        seconds(raw)


@pytest.mark.parametrize("raw", ["101000d", "1" + "0" * 40 + "ms", 1e300, 10**40])
def test_a_time_beyond_a_hundred_years_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="must be a time of at most 100 years"):
        seconds(raw)


def test_fractions_of_a_unit_are_read() -> None:
    assert seconds("1.5h") == 5400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100/s", Rate(100, 1)),
        ("60/m", Rate(60, 60)),
        ("5/h", Rate(5, 3600)),
        ("1/d", Rate(1, 86400)),
    ],
)
def test_a_rate_is_a_count_in_a_unit_of_time(text: str, expected: Rate) -> None:
    assert rate(text) == expected


@pytest.mark.parametrize("raw", ["0/s", "100", "1.5/s", "100/ms", "100/w", "/s", 100, None])
def test_what_only_looks_like_a_rate_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="must be a rate"):
        rate(raw)
