"""Waits before repeats: doubling, spread, never above the cap."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.backoff import delay_before

ATTEMPTS = st.integers(2, 10**6)
FIRSTS = st.floats(0.001, 1e6)
JITTERS = st.floats(0, 1)


@given(ATTEMPTS, FIRSTS, FIRSTS, JITTERS)
def test_a_delay_is_never_negative_and_never_above_the_cap(
    attempt: int, first_s: float, cap_s: float, jitter: float
) -> None:
    assert 0 < delay_before(attempt, first_s, cap_s, jitter) <= cap_s


@given(ATTEMPTS, FIRSTS, FIRSTS, JITTERS)
def test_a_later_attempt_never_waits_less(
    attempt: int, first_s: float, cap_s: float, jitter: float
) -> None:
    assert delay_before(attempt, first_s, cap_s, jitter) <= delay_before(
        attempt + 1, first_s, cap_s, jitter
    )


@given(st.integers(2, 20), FIRSTS, JITTERS)
def test_far_below_the_cap_each_wait_is_twice_the_one_before(
    attempt: int, first_s: float, jitter: float
) -> None:
    cap_s = first_s * 2**30
    wait_s = delay_before(attempt, first_s, cap_s, jitter)
    assert delay_before(attempt + 1, first_s, cap_s, jitter) == 2 * wait_s


@given(ATTEMPTS, FIRSTS, FIRSTS, JITTERS)
def test_jitter_moves_a_delay_by_a_quarter_at_most(
    attempt: int, first_s: float, cap_s: float, jitter: float
) -> None:
    middle_s = delay_before(attempt, first_s, cap_s, 0.5)
    assert 0.749 * middle_s <= delay_before(attempt, first_s, cap_s, jitter) <= 1.251 * middle_s


@given(st.integers(-5, 2), FIRSTS)
def test_the_first_repeat_waits_the_first_delay(attempt: int, first_s: float) -> None:
    assert delay_before(attempt, first_s, 1e9, 0.5) == first_s
