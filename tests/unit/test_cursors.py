"""Cursors are read as they were given, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedError
from bridge.formats.cursors import order_after


@given(st.integers(0, 10**17 - 1))
def test_a_cursor_is_an_order_number(order: int) -> None:
    assert order_after(str(order)) == order


def test_without_a_cursor_a_list_starts_at_its_beginning() -> None:
    assert order_after(None) == order_after("") == 0


@pytest.mark.parametrize("cursor", ["-1", "1.5", "x", "\u0661", "1\n", " 1", "9" * 5000])
def test_what_no_list_ever_gave_is_no_cursor(cursor: str) -> None:
    with pytest.raises(MalformedError, match="no cursor"):
        order_after(cursor)
