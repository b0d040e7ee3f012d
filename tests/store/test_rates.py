"""No more calls of a workflow are sent in a time than its rate allows; each gets its moment."""

from bridge.formats.quantities import Rate
from bridge.models import CallId, CallStatus, new_lease_token
from bridge.store.runs import Running
from tests.store.call_records import new_call
from tests.store.records import Desk

HOUR = Rate(2, 3600)
HOUR_MS = 3_600_000
SENDS = "{bridge}:sends:support:parse"
DUE = "{bridge}:due_calls"


async def start(web: Desk, rate: Rate = HOUR) -> CallId:
    return (await web.calls.create(new_call(rate=rate))).call_id


async def lease(desk: Desk, call_id: CallId) -> Running | None:
    return await desk.runs.lease(call_id, new_lease_token())


async def moment(web: Desk, call_id: CallId) -> float:
    """Report when a call is due."""
    due_at = await web.redis.zscore(DUE, call_id)
    assert due_at is not None
    return due_at


async def test_a_rate_lets_its_count_be_sent_and_no_more(web: Desk, worker: Desk) -> None:
    calls = [await start(web) for _ in range(4)]

    given = [
        await lease(desk, call_id) for desk, call_id in zip([web, worker] * 2, calls, strict=True)
    ]

    assert [running is not None for running in given] == [True, True, False, False]


async def test_each_call_gets_the_next_moment_that_is_free(web: Desk) -> None:
    calls = [await start(web) for _ in range(6)]
    for call_id in calls:
        await lease(web, call_id)

    third, fourth, fifth, _ = [await moment(web, call_id) for call_id in calls[2:]]

    assert HOUR_MS - 10_000 < fifth - third <= HOUR_MS + 10_000
    assert abs(fourth - third) < 10_000


async def test_a_call_that_is_asked_again_keeps_its_moment(web: Desk) -> None:
    calls = [await start(web) for _ in range(3)]
    for call_id in calls:
        await lease(web, call_id)
    given = await moment(web, calls[2])

    assert await lease(web, calls[2]) is None

    assert await moment(web, calls[2]) == given
    assert await web.redis.llen(SENDS) == HOUR.count


async def test_a_call_whose_moment_has_come_is_sent(web: Desk) -> None:
    calls = [await start(web) for _ in range(3)]
    for call_id in calls:
        await lease(web, call_id)

    await web.redis.hincrby(f"{{bridge}}:call:{calls[2]}", "sends_at", -HOUR_MS)

    assert await lease(web, calls[2])


async def test_a_retry_counts_as_well(web: Desk) -> None:
    call_id = await start(web, Rate(1, 3600))
    running = await lease(web, call_id)
    assert running

    await web.runs.park(running, delay_s=0, ran=True, failure="n8n answered 500")

    assert await lease(web, call_id) is None
    call = await web.calls.read(call_id)
    assert call is not None
    assert call.status is CallStatus.QUEUED
