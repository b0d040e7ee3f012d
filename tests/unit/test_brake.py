"""The brake on guessing."""

import itertools
import sys
import time

import pytest

from bridge.auth.throttle import (
    FAILURES_MAX,
    FAILURES_MAX_BEYOND,
    FAILURES_MAX_OF_ALL,
    PLACES,
    GuessThrottle,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_an_address_is_braked_beyond_so_many_a_minute(clock: list[float]) -> None:
    guesses = GuessThrottle()
    assert [guesses.count(["a"]) for _ in range(FAILURES_MAX)] == [None] * FAILURES_MAX
    first, second = guesses.count(["a"]), guesses.count(["a"])
    assert first
    assert second
    assert (first.is_first, second.is_first) == (True, False)
    assert 0 < first.retry_after_s <= 60
    assert guesses.count(["b"]) is None
    clock[0] += first.retry_after_s
    assert guesses.count(["a"]) is None


def test_who_names_another_address_beside_its_own_is_braked_all_the_same(
    clock: list[float],
) -> None:
    guesses = GuessThrottle()
    braked = [guesses.count([f"made up {n}", "own"]) for n in range(FAILURES_MAX + 1)]
    assert braked[-1]


def test_many_addresses_together_are_braked_sooner(clock: list[float]) -> None:
    guesses, crowd = GuessThrottle(), [f"crowd {number}" for number in range(900)]
    for number in range(FAILURES_MAX_OF_ALL):
        guesses.count([crowd[number % len(crowd)]])
    taken = {hash(each) % PLACES for each in crowd}
    new = next(name for name in map(str, itertools.count()) if hash(name) % PLACES not in taken)
    heard = [guesses.count([new]) for _ in range(FAILURES_MAX_BEYOND + 1)]
    assert heard[:-1] == [None] * FAILURES_MAX_BEYOND
    assert heard[-1]


def test_what_is_kept_does_not_grow_with_the_number_of_addresses(clock: list[float]) -> None:
    guesses = GuessThrottle()
    guesses.count(["a"])
    before = sys.getsizeof(guesses._counts)
    for number in range(10_000):
        guesses.count([f"address {number}"])
    assert sys.getsizeof(guesses._counts) == before
