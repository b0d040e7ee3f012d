"""No unit of work costs more than it did: counted, so that it holds on any machine."""

import pytest

from tests.bench.check import count_group
from tests.bench.limits import excesses, lowered, read_limits


@pytest.mark.timeout(120)
async def test_no_request_reply_or_call_asks_more_of_redis_than_it_did() -> None:
    assert list(excesses(await count_group("traffic"), read_limits())) == []


@pytest.mark.timeout(120)
async def test_no_idle_stream_keeps_more_memory_than_it_did() -> None:
    assert list(excesses(await count_group("memory"), read_limits())) == []


@pytest.mark.timeout(120)
async def test_no_waiting_call_keeps_more_memory_than_it_did() -> None:
    assert list(excesses(await count_group("waiting"), read_limits())) == []


def test_a_number_that_grew_is_named_with_what_it_was_and_is() -> None:
    faults = excesses({"hook": {"redis_commands": 20.0}}, {"hook": {"redis_commands": 19}})

    assert list(faults) == ["hook: redis_commands grew from 19 to 20"]


def test_numbers_are_lowered_and_never_raised() -> None:
    limits = {"hook": {"redis_commands": 19, "flushes": 1}}

    table = lowered({"hook": {"redis_commands": 12.0, "flushes": 2.0}}, limits)

    assert table == {"hook": {"redis_commands": 12, "flushes": 1}}
