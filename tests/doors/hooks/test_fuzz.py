"""Whatever a hook is sent, it answers as the document says, and stores only what it accepts."""

import pytest

from tests.fuzz.judge import fuzz

COUNT = 200
"""`make fuzz` sends fifty times as many."""


@pytest.mark.usefixtures("anyio_backend")
def test_no_request_gets_an_answer_that_is_not_described(redis_url: str) -> None:
    seen = fuzz(redis_url, COUNT)

    assert seen.total() == COUNT
    assert {202, 400} <= set(seen)
