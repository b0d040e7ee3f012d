"""W3C Trace Context: a caller's trace is continued, and only a sound one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.formats.trace_context import trace_of, traceparent

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("given_", "trace"),
    [
        (f"00-{TRACE}-{PARENT}-01", f"{TRACE}-01"),
        (f"00-{TRACE}-{PARENT}-00", f"{TRACE}-00"),
        (f"00-{TRACE}-{PARENT}-ff", f"{TRACE}-01"),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be", f"{TRACE}-01"),
    ],
)
def test_a_trace_goes_on_with_its_id_and_whether_it_is_sampled(given_: str, trace: str) -> None:
    assert trace_of(given_) == trace
    assert traceparent(trace, "call_1", 1).startswith(f"00-{TRACE}-")
    assert traceparent(trace, "call_1", 1).endswith(trace[-3:])


@pytest.mark.parametrize(
    "given_",
    [
        "",
        None,
        7,
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01\r\nX: y",
    ],
)
def test_what_is_no_trace_is_not_continued(given_: object) -> None:
    assert trace_of(given_) == ""


@given(call_id=st.text(), attempt=st.integers(1, 100))
def test_a_call_without_a_trace_begins_one_of_its_own(call_id: str, attempt: int) -> None:
    spans = [traceparent("", call_id, number) for number in (attempt, attempt + 1)]
    assert trace_of(spans[0]) == trace_of(spans[1]) != ""
    assert spans[0] != spans[1]


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert len(trace_of(f"00-{text}")) in (0, 35)
