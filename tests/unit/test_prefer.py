"""Prefer: wait=N, as senders write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.hooks import preferred_wait_s


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        (["wait=10"], 10),
        (["respond-async, wait=100"], 100),
        (["handling=lenient; x=1", "WAIT = 7 ; y"], 7),
        (['wait="20"'], 20),
        (["wait=1, wait=2"], 1),
        (["wait=290"], 290),
        (["wait=291"], 290),
        (["wait=0005"], 5),
        (["wait=" + "9" * 5000], 290),
        (["wait=0"], 0),
        ([], 0),
        (["", "respond-async"], 0),
        (["wait"], 0),
        (["wait="], 0),
        (["wait=-1"], 0),
        (["wait=1.5"], 0),
        (['wait="1'], 0),
        (["await=10"], 0),
        (["x-wait=10"], 0),
        (['note="a, wait=9, b"'], 0),
        (['note="a, wait=9", wait=3'], 3),
        ([r'note="\", wait=9"'], 0),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_preference_is_read(headers: list[str], wait_s: int) -> None:
    assert preferred_wait_s(headers) == wait_s


@given(st.lists(st.text()))
def test_no_preference_is_an_error(headers: list[str]) -> None:
    assert 0 <= preferred_wait_s(headers) <= 290
