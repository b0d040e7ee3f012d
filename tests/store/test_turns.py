"""At most so many calls of a workflow run at once; the others stand in a fair line."""

from bridge.models import CallId, CallStatus, new_lease_token
from bridge.store.runs import Running
from tests.store.call_records import new_call, run_sent
from tests.store.records import Desk

QUEUED, RUNNING, FAILED = CallStatus.QUEUED, CallStatus.RUNNING, CallStatus.FAILED


async def lease(web: Desk, call_id: CallId) -> Running | None:
    return await web.runs.lease(call_id, new_lease_token())


async def start(web: Desk, calls: int, concurrency: int = 1) -> list[CallId]:
    """Have so many calls that are not run yet."""
    return [
        (await web.calls.create(new_call(concurrency=concurrency))).call_id for _ in range(calls)
    ]


async def due(web: Desk) -> list[str]:
    """Name the calls that are to be woken now."""
    return await web.runs.sweep(100, 600)


async def test_no_more_run_at_once_than_may(web: Desk) -> None:
    calls = await start(web, 3, concurrency=2)

    given = [await lease(web, call_id) is not None for call_id in calls]

    assert given == [True, True, False]


async def test_the_call_that_has_waited_longest_gets_the_next_turn(web: Desk) -> None:
    first, second, third, late = await start(web, 4)
    running = await lease(web, first)
    assert running
    # They asked in another order than they came in.
    assert [await lease(web, call_id) for call_id in (third, second)] == [None, None]
    assert await due(web) == []

    await web.runs.finish(running, CallStatus.SUCCEEDED)

    assert await due(web) == [second]
    assert await lease(web, late) is None, "a turn that was given is not taken by a latecomer"
    assert await lease(web, second)


async def test_a_call_that_is_parked_makes_room_and_gets_in_line_where_it_was(web: Desk) -> None:
    first, second, third = await start(web, 3)
    running = await lease(web, first)
    assert running
    assert await lease(web, second) is None

    await web.runs.park(running, delay_s=0, ran=False, failure="n8n is away")

    assert await lease(web, first) is None
    assert await lease(web, third) is None
    after = await lease(web, second)
    assert after
    await web.runs.finish(after, FAILED)
    assert await lease(web, first)


async def test_a_cancelled_call_gives_up_its_turn_or_its_place(web: Desk) -> None:
    first, second, third = await start(web, 3)
    assert await lease(web, first)
    assert [await lease(web, call_id) for call_id in (second, third)] == [None, None]

    await web.calls.cancel(second, "no more")
    await web.calls.cancel(first, "no more")

    assert await lease(web, third)


async def test_a_dead_workers_calls_make_room(web: Desk) -> None:
    running = await run_sent(web, concurrency=1)
    (waiting,) = await start(web, 1)
    assert await lease(web, waiting) is None

    await web.runs.abandon(running.call.call_id, running.token)

    assert await due(web) == [waiting]
    assert await lease(web, waiting)


async def test_a_call_that_goes_on_without_a_worker_keeps_its_turn(web: Desk) -> None:
    running = await run_sent(web, concurrency=1)
    (waiting,) = await start(web, 1)

    await web.runs.await_callback(running, 600)

    assert await lease(web, waiting) is None
    await web.calls.cancel(running.call.call_id, "no more")
    assert await lease(web, waiting)


async def test_a_turn_that_nobody_took_or_gave_back_is_given_again(web: Desk) -> None:
    lost, waiting = await start(web, 2)
    assert await lease(web, lost)
    await web.redis.zadd("{bridge}:slots:support:parse", {lost: 1})

    assert await lease(web, waiting)


async def test_who_waits_for_a_turn_is_looked_at_again(web: Desk) -> None:
    first, waiting = await start(web, 2)
    assert await lease(web, first)
    assert await lease(web, waiting) is None
    looked_at = await web.redis.zscore("{bridge}:due_calls", waiting)
    seconds, micros = await web.redis.time()
    assert isinstance(looked_at, float)
    assert 9 < looked_at / 1000 - int(seconds) - int(micros) / 1e6 <= 10


async def test_workflows_do_not_stand_in_each_others_way(web: Desk) -> None:
    (first,) = await start(web, 1)
    other = await web.calls.create(new_call(concurrency=1, workflow="other"))
    assert await lease(web, first)

    assert await lease(web, other.call_id)
