"""No principal has more of a workflow than its share, and none waits for another's."""

from typing import Any

import pytest

from bridge.configuration.server_options import Share
from bridge.formats.quantities import Rate
from bridge.models import CallId, CallStatus, Principal, new_lease_token
from bridge.store.pauses import PauseStore
from bridge.store.runs import Running
from tests.store.call_records import new_call
from tests.store.records import ALICE, BOB, SERVER, Desk

HOUR = Rate(2, 3600)
HOUR_MS = 3_600_000
DUE = "{bridge}:due_calls"
ONE_AT_ONCE = Share(concurrency=1)


async def start(web: Desk, principal: Principal, **changes: Any) -> CallId:
    changes = {"share": ONE_AT_ONCE} | changes
    return (await web.calls.create(new_call(principal, **changes))).call_id


async def lease(desk: Desk, call_id: CallId) -> Running | None:
    return await desk.runs.lease(call_id, new_lease_token())


async def waits_ms(web: Desk, call_id: CallId) -> float:
    """Report in how many milliseconds a call is due."""
    due_at = await web.redis.zscore(DUE, call_id)
    assert due_at is not None
    seconds, micros = await web.redis.time()
    return due_at - int(seconds) * 1000 - int(micros) / 1000


async def test_a_principal_runs_no_more_at_once_than_its_share(web: Desk, worker: Desk) -> None:
    calls = [await start(web, ALICE, share=Share(concurrency=2)) for _ in range(3)]

    given = [
        await lease(desk, call_id) for desk, call_id in zip((web, worker, web), calls, strict=True)
    ]

    assert [running is not None for running in given] == [True, True, False]


async def test_a_principal_at_its_limit_keeps_no_other_from_running(web: Desk) -> None:
    running, *waiting = [await start(web, ALICE, concurrency=2) for _ in range(50)]
    assert await lease(web, running)
    for call_id in waiting:
        assert await lease(web, call_id) is None
    others = await start(web, BOB, concurrency=2)

    assert await lease(web, others)


async def test_the_oldest_call_of_the_principal_comes_next(web: Desk) -> None:
    first, second, third = [await start(web, ALICE) for _ in range(3)]
    running = await lease(web, first)
    assert running
    # They asked in another order than they came in.
    assert [await lease(web, call_id) for call_id in (third, second)] == [None, None]

    await web.runs.finish(running, CallStatus.SUCCEEDED)

    assert await web.runs.sweep(100, 600) == [second]
    assert await lease(web, third) is None
    assert await lease(web, second)


async def test_turns_of_a_full_workflow_go_around_a_principal_with_many_calls(web: Desk) -> None:
    running = [await start(web, BOB, concurrency=2, share=Share(concurrency=2)) for _ in range(2)]
    held = [await lease(web, call_id) for call_id in running]
    many = [await start(web, ALICE, concurrency=2) for _ in range(20)]
    late = await start(web, Principal(SERVER, "carol"), concurrency=2)
    for call_id in (*many, late):
        assert await lease(web, call_id) is None

    for each in filter(None, held):
        await web.runs.finish(each, CallStatus.SUCCEEDED)

    assert set(await web.runs.sweep(100, 600)) == {many[0], late}


@pytest.mark.parametrize("end", ["cancelled", "parked", "abandoned"])
async def test_a_share_is_given_back_however_a_call_leaves_it(web: Desk, end: str) -> None:
    first, second = await start(web, ALICE), await start(web, ALICE)
    running = await lease(web, first)
    assert running
    assert await lease(web, second) is None

    match end:
        case "cancelled":
            await web.calls.cancel(first, "no more")
        case "parked":
            await web.runs.park(running, delay_s=600, ran=False, failure="n8n is away")
        case _:
            await web.runs.abandon(first, running.token)

    assert await lease(web, second)


async def test_a_call_that_is_cancelled_in_line_lets_the_next_one_come(web: Desk) -> None:
    first, second, third = [await start(web, ALICE) for _ in range(3)]
    running = await lease(web, first)
    assert running
    assert [await lease(web, call_id) for call_id in (second, third)] == [None, None]

    await web.calls.cancel(second, "no more")
    await web.runs.finish(running, CallStatus.SUCCEEDED)

    assert await lease(web, third)


async def test_a_rate_of_a_principal_counts_its_own_calls_alone(web: Desk, worker: Desk) -> None:
    mine = [await start(web, ALICE, share=Share(rate=HOUR)) for _ in "123"]
    others = await start(web, BOB, share=Share(rate=HOUR))

    given = [await lease(desk, one) for desk, one in zip((web, worker, web), mine, strict=True)]

    assert [running is not None for running in given] == [True, True, False]
    assert await lease(web, others)
    assert HOUR_MS - 60_000 < await waits_ms(web, mine[2]) <= HOUR_MS


async def test_a_call_is_sent_once_the_rate_of_its_principal_lets_it(web: Desk) -> None:
    calls = [
        await start(web, ALICE, share=Share(concurrency=1, rate=Rate(1, 3600))) for _ in range(2)
    ]
    running = await lease(web, calls[0])
    assert running
    await web.runs.finish(running, CallStatus.SUCCEEDED)
    assert await lease(web, calls[1]) is None

    await web.redis.zadd("{bridge}:share_sends:support:parse:alice", {f"{calls[0]} 1": 1})

    assert await lease(web, calls[1])


async def test_what_waits_for_a_turn_uses_up_the_rate_of_nobody_else(web: Desk) -> None:
    """A call that may be sent by its principal's rate, and has no slot yet, counts for it."""
    rate = {"share": Share(rate=Rate(1, 3600)), "concurrency": 1}
    running = await lease(web, await start(web, BOB, **rate))
    assert running
    mine = [await start(web, ALICE, **rate) for _ in range(3)]
    for call_id in mine:
        assert await lease(web, call_id) is None

    await web.runs.finish(running, CallStatus.SUCCEEDED)

    first = await lease(web, mine[0])
    assert first
    await web.runs.finish(first, CallStatus.SUCCEEDED)
    assert [await lease(web, call_id) for call_id in mine[1:]] == [None, None]


async def test_a_retry_counts_for_the_rate_of_its_principal(web: Desk) -> None:
    call_id = await start(web, ALICE, share=Share(concurrency=1, rate=Rate(1, 3600)))
    running = await lease(web, call_id)
    assert running

    await web.runs.park(running, delay_s=0, ran=True, failure="n8n answered 500")

    assert await lease(web, call_id) is None


async def test_calls_that_rested_come_by_their_shares_again(web: Desk) -> None:
    pauses = PauseStore(web.steps)
    await pauses.begin(f"{SERVER}/parse", "operator")
    mine = [await start(web, ALICE, concurrency=2) for _ in range(5)]
    others = await start(web, BOB, concurrency=2)
    for call_id in (*mine, others):
        assert await lease(web, call_id) is None

    await pauses.lift(f"{SERVER}/parse", SERVER, ["parse"])

    begun = set()
    while due := await web.runs.sweep(100, 600):
        begun |= {call_id for call_id in due if await lease(web, CallId(call_id))}
    assert (len(begun & set(mine)), others in begun) == (1, True)


async def test_all_that_is_kept_of_a_share_ends_by_itself(web: Desk) -> None:
    calls = [
        await start(web, ALICE, share=Share(concurrency=1, rate=Rate(2, 60))) for _ in range(2)
    ]
    for call_id in calls:
        await lease(web, call_id)

    kept = await web.redis.keys("{bridge}:share_*")
    lives_ms = [await web.redis.pttl(key) for key in kept]

    assert len(kept) == 3
    assert all(0 < life_ms < 3 * HOUR_MS for life_ms in lives_ms)


async def test_a_part_that_its_holder_never_gave_back_is_given_again(web: Desk) -> None:
    lost, waiting = await start(web, ALICE), await start(web, ALICE)
    assert await lease(web, lost)
    await web.redis.zadd("{bridge}:share_held:support:parse:alice", {lost: 1})

    assert await lease(web, waiting)
