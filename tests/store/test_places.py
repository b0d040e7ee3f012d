"""Places of workers are shared fairly: between servers, then between principals of each."""

import pytest

from bridge.models import CallId, CallStatus, Principal, new_lease_token
from bridge.store.runs import Running
from tests.store.call_records import new_call
from tests.store.records import ALICE, BOB, STRANGER, Desk
from tests.waiting import commands

PLACES = 8
LONG = 100
KEYS = ("places", "placed", "placed:support", "placed:support:alice", "placeless:support")


@pytest.fixture
def web(web: Desk) -> Desk:
    """Have a worker with so many places."""
    web.runs.places = PLACES
    return web


async def lease(web: Desk, call_id: CallId) -> Running | None:
    return await web.runs.lease(call_id, new_lease_token())


async def start(web: Desk, principal: Principal, calls: int) -> list[CallId]:
    """Have so many calls, and each ask for a place."""
    new = [new_call(principal=principal, concurrency=LONG) for _ in range(calls)]
    ids = [(await web.calls.create(each)).call_id for each in new]
    for call_id in ids:
        await lease(web, call_id)
    return ids


async def running(web: Desk, ids: list[CallId]) -> list[CallId]:
    return [each for each in ids if await web.runs.status(each) is CallStatus.RUNNING]


async def end_one(web: Desk, ids: list[CallId]) -> None:
    """End the first of these that runs, and have a worker run what is due then."""
    (first, *_) = await running(web, ids)
    await web.calls.cancel(first, "over")
    for call_id in await web.runs.sweep(100, 600):
        await lease(web, CallId(call_id))


async def test_one_alone_has_all_places_and_no_more(web: Desk) -> None:
    ids = await start(web, ALICE, PLACES + 3)

    assert await running(web, ids) == ids[:PLACES]


async def test_a_place_that_becomes_free_is_taken_by_who_waits_at_once(web: Desk) -> None:
    ids = await start(web, ALICE, PLACES + 1)

    await end_one(web, ids)

    assert await running(web, ids) == ids[1:]


async def test_another_server_need_not_wait_for_its_first_call_though_all_places_are_taken(
    web: Desk,
) -> None:
    await start(web, ALICE, 5 * PLACES)

    first, second = await start(web, STRANGER, 2)

    assert await running(web, [first, second]) == [first]


async def test_another_principal_need_not_wait_for_its_first_call_either(web: Desk) -> None:
    await start(web, ALICE, 5 * PLACES)

    first, second = await start(web, BOB, 2)

    assert await running(web, [first, second]) == [first]


async def test_places_that_become_free_go_to_the_server_that_holds_fewest(web: Desk) -> None:
    crowd = await start(web, ALICE, 5 * PLACES)
    others = await start(web, STRANGER, 5 * PLACES)

    for _ in range(PLACES):
        await end_one(web, crowd if len(await running(web, others)) < PLACES // 2 else others)

    assert len(await running(web, crowd)) == PLACES // 2
    assert len(await running(web, others)) == PLACES // 2


async def test_principals_of_a_server_take_turns_whoever_came_first(web: Desk) -> None:
    crowd = await start(web, ALICE, 5 * PLACES)
    others = await start(web, BOB, 3)

    # The first of the others had a place beyond all; then each has every second one.
    for _ in range(6):
        await end_one(web, crowd)

    assert await running(web, others) == others


async def test_a_call_that_ended_while_it_waited_takes_no_place(web: Desk) -> None:
    ids = await start(web, ALICE, PLACES + 2)
    await web.calls.cancel(ids[PLACES], "no more")

    await end_one(web, ids)

    assert await running(web, ids) == [*ids[1:PLACES], ids[-1]]


async def test_a_call_that_goes_on_without_a_worker_has_no_place(web: Desk) -> None:
    new = [new_call(concurrency=LONG) for _ in range(PLACES + 1)]
    ids = [(await web.calls.create(each)).call_id for each in new]
    held = [await lease(web, call_id) for call_id in ids]
    assert held[0]

    await web.runs.await_callback(held[0], 600)

    assert await web.runs.sweep(100, 600) == [ids[-1]]
    assert await lease(web, ids[-1])


async def test_a_dead_workers_places_are_gone_and_its_calls_give_theirs_back(
    web: Desk, worker: Desk
) -> None:
    worker.runs.places = 1
    (call_id,) = await start(worker, ALICE, 1)
    ids = await start(web, ALICE, PLACES + 1)
    assert await running(web, ids) == ids[:PLACES]
    await web.redis.zadd("{bridge}:processes", {worker.process: 1})
    (dead_process,) = await web.processes.dead()
    for _, held, token in dead_process.held:
        await web.runs.abandon(held, token)

    assert await lease(web, call_id) is None
    await end_one(web, ids)
    assert len(await running(web, [call_id, *ids])) == PLACES


async def test_workers_leave_no_trace_of_places_when_everything_is_over(
    web: Desk, worker: Desk
) -> None:
    ids = await start(web, ALICE, PLACES + 3)
    for call_id in ids:
        await web.calls.cancel(call_id, "over")
    for each in (web, worker):
        await each.processes.leave()

    assert await web.redis.exists(*(f"{{bridge}}:{key}" for key in KEYS)) == 0


async def test_a_call_costs_the_same_however_many_run_and_wait(web: Desk) -> None:
    costs = []
    for many in (1, 1, 30):
        await start(web, ALICE, many * PLACES)
        before = await commands(web.redis)
        await start(web, BOB, 1)
        costs.append(await commands(web.redis) - before)
        await web.redis.flushall()
        await web.processes.beat()
    assert costs[2] < 1.5 * costs[1]
