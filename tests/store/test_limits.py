"""Limits of a hook: so many in any such time, so many waiting, and no repeat meets them."""

import asyncio
from typing import Any

import pytest

from bridge.errors import FullError, TooManyError
from bridge.formats.quantities import Rate
from tests.store.records import Desk, new_event

HOUR = Rate(3, 3600)
ARRIVALS = "{bridge}:arrivals:support:ticket"


async def test_a_rate_lets_in_its_count_and_no_more(web: Desk, worker: Desk) -> None:
    desks = [web, worker] * 5

    ends = await asyncio.gather(*(d.accept(rate=HOUR) for d in desks), return_exceptions=True)

    refused = [end for end in ends if isinstance(end, TooManyError)]
    assert len(refused) == len(ends) - HOUR.count
    assert all(3590 < (error.retry_after_s or 0) <= 3600 for error in refused)


async def test_room_comes_back_when_the_oldest_is_out_of_the_window(web: Desk) -> None:
    for _ in range(3):
        await web.accept(rate=HOUR)
    oldest = int(await web.redis.lindex(ARRIVALS, 0) or 0)
    await web.redis.lset(ARRIVALS, 0, str(oldest - 3_600_000))

    await web.accept(rate=HOUR)

    with pytest.raises(TooManyError):
        await web.accept(rate=HOUR)
    assert await web.redis.llen(ARRIVALS) == 3


async def test_a_rate_that_was_lowered_counts_what_came_before(web: Desk) -> None:
    for _ in range(3):
        await web.accept(rate=HOUR)

    with pytest.raises(TooManyError):
        await web.accept(rate=Rate(2, 3600))


async def test_a_full_queue_takes_in_no_more_until_one_is_taken(web: Desk) -> None:
    await web.accept(queued_max=2)
    await web.accept(queued_max=2)
    with pytest.raises(FullError) as full:
        await web.accept(queued_max=2)

    await web.take()

    await web.accept(queued_max=2)
    assert full.value.retry_after_s == 10


async def test_what_waits_for_its_time_counts_as_waiting(web: Desk) -> None:
    held = await web.taken()
    await web.events.release(held, status="delayed", delay_s=600)

    with pytest.raises(FullError):
        await web.accept(queued_max=1)


async def test_a_repeat_meets_no_limit(web: Desk) -> None:
    new = new_event(idempotency="key", rate=Rate(1, 3600), queued_max=1)
    await web.events.accept(new)

    again = await web.events.accept(new)
    duplicate = await web.events.accept(new_event(idempotency="key", rate=Rate(1, 3600)))

    assert (again[0], duplicate[0]) == ("accepted", "duplicate")
    assert await web.redis.llen(ARRIVALS) == 1


@pytest.mark.parametrize("limits", [{"rate": Rate(1, 3600)}, {"queued_max": 1}], ids=str)
async def test_a_refusal_changes_nothing(web: Desk, limits: dict[str, Any]) -> None:
    await web.accept(**limits)
    before = await web.everything()

    with pytest.raises((TooManyError, FullError)):
        await web.accept(idempotency="key", files=(b"a file",), **limits)

    assert await web.everything() == before


async def test_files_are_kept_beside_their_event_and_as_long(web: Desk) -> None:
    event = await web.accept(files=(b"\x00\xff", b"", b"text"))

    kept = [await web.redis.get(f"{{bridge}}:file:{event.event_id}:{n}") for n in range(4)]
    lives = {
        await web.redis.ttl(f"{{bridge}}:{name}:{event.event_id}{number}")
        for name, number in (("event", ""), ("file", ":0"), ("file", ":2"))
    }

    assert kept == [b"\x00\xff", b"", b"text", None]
    assert max(lives) - min(lives) <= 1
    assert min(lives) > 1190
