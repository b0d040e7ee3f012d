"""Pauses: nothing begins in a paused place, nothing is lost there, and all goes on afterwards."""

import asyncio

import pytest
from redis.asyncio import Redis

from bridge.errors import PausedError
from bridge.models import CallId, Event, new_lease_token
from bridge.store.counters import Counters
from bridge.store.operators import OperatorStore
from bridge.store.pauses import PauseStore
from tests.store.call_records import new_call, now, run, run_sent
from tests.store.records import ALICE, BOB, HOOK, SERVER, Desk, token_of, wish
from tests.store.test_pushes import told

TICKET = f"{SERVER}/{HOOK}"
PARSE = f"{SERVER}/parse"
WAITER = "waiter"


@pytest.fixture
def pauses(web: Desk) -> PauseStore:
    return OperatorStore(web.steps).pauses


async def read(web: Desk, event: Event) -> Event:
    found = await web.events.read(event.event_id)
    assert found
    return found


@pytest.mark.parametrize("place", [SERVER, TICKET])
async def test_a_paused_hook_takes_in_and_hands_out_nothing_until_it_is_resumed(
    web: Desk, pauses: PauseStore, place: str
) -> None:
    pause = await pauses.begin(place, "operator")
    event = await web.accept()

    with pytest.raises(PausedError, match=f"^{place} is paused by an operator since 2"):
        await web.take()
    assert await web.claims.take_one(event.event_id, ALICE, new_lease_token()) is None
    assert (await read(web, event)).paused_at_ms == pause.at_ms

    assert await pauses.lift(place, SERVER, [HOOK])
    assert (await read(web, event)).paused_at_ms is None
    held = await web.take()
    assert held
    assert held.event_id == event.event_id


async def test_other_hooks_and_servers_go_on(web: Desk, pauses: PauseStore) -> None:
    await pauses.begin(TICKET, "operator")
    await pauses.begin("sales", "operator")
    await web.accept()
    event = await web.accept(hook="letter")

    held = await web.take(wish(hooks={HOOK: 5, "letter": 0}))
    assert held
    assert held.event_id == event.event_id


async def test_who_waits_hears_of_it_when_the_hook_is_resumed(
    web: Desk, pauses: PauseStore, redis: Redis
) -> None:
    await pauses.begin(TICKET, "operator")
    await web.accept()
    waiting = wish(waiter=WAITER)
    with pytest.raises(PausedError):
        await web.take(waiting)

    async with redis.pubsub() as heard:
        await heard.subscribe("{bridge}:wake")
        await heard.get_message(timeout=5)
        await pauses.lift(TICKET, SERVER, [HOOK])
        woken = await heard.get_message(timeout=5)
    assert woken
    assert woken["data"] == f"taker:{WAITER}".encode()
    assert await web.take(waiting)


async def test_a_lease_that_is_out_goes_on_and_its_answer_is_accepted(
    web: Desk, pauses: PauseStore
) -> None:
    held = await web.taken()
    await pauses.begin(TICKET, "operator")
    assert (await web.events.extend(held, 60))[0] == "extended"
    assert await web.events.answer(held, b"1") == ("answered", "none")


async def test_an_event_that_an_operator_takes_back_is_queued_and_may_still_be_answered(
    web: Desk, pauses: PauseStore
) -> None:
    held = await web.taken()
    await pauses.begin(TICKET, "operator")
    assert await pauses.take_back_event(held.event_id, "operator") == ("released", "queued")
    assert await pauses.take_back_event(held.event_id, "operator") == ("refused", "queued")
    assert await pauses.take_back_event("evt_none", "operator") == ("unknown", "")
    event = await web.events.read(held.event_id)
    assert event
    assert (event.status, event.attempt) == ("queued", 0)
    await web.claims.hold(held.event_id, held.token)
    assert await web.status(held.event_id) == "queued"
    assert await web.events.answer(held, b"1") == ("answered", "none")


async def test_a_taken_back_event_is_its_next_takers(web: Desk, pauses: PauseStore) -> None:
    held = await web.taken()
    await pauses.take_back_event(held.event_id, "operator")
    again = await web.take(principal=BOB)
    assert again
    assert await web.events.answer(held, b"1") == ("lost", "leased")
    assert await web.events.answer(again, b"2") == ("answered", "none")


async def test_what_comes_back_to_a_paused_hook_waits_there(
    web: Desk, pauses: PauseStore, redis: Redis
) -> None:
    held = await web.taken()
    await pauses.begin(TICKET, "operator")
    await redis.zadd("{bridge}:event_leases", {held.event_id: 1})
    await web.events.sweep()
    with pytest.raises(PausedError):
        await web.take()
    assert await web.status(held.event_id) == "queued"


async def test_a_paused_hook_s_events_expire_in_their_time(
    web: Desk, pauses: PauseStore, redis: Redis
) -> None:
    await pauses.begin(TICKET, "operator")
    event = await web.accept()
    await redis.zadd("{bridge}:event_deadlines", {event.event_id: 1})
    await web.events.sweep()
    assert await web.status(event.event_id) == "expired"


async def test_a_paused_hook_s_events_are_pushed_to_nobody(web: Desk, pauses: PauseStore) -> None:
    await pauses.begin(TICKET, "operator")
    await web.accept()
    assert await told(web) == ([], None)
    await pauses.lift(TICKET, SERVER, [HOOK])
    assert len((await told(web))[0]) == 1


@pytest.mark.parametrize("place", [SERVER, PARSE])
async def test_no_attempt_begins_of_a_paused_workflow_until_it_is_resumed(
    web: Desk, worker: Desk, pauses: PauseStore, redis: Redis, place: str
) -> None:
    pause = await pauses.begin(place, "operator")
    call = await web.calls.create(new_call())
    assert (call.status, call.paused_at_ms) == ("queued", pause.at_ms)
    assert await worker.runs.lease(call.call_id, new_lease_token()) is None
    due_at = await redis.zscore("{bridge}:due_calls", call.call_id)
    assert due_at
    assert due_at > pause.at_ms + 5000

    assert await pauses.lift(place, SERVER, ["parse"])
    assert call.call_id in await worker.runs.sweep(100, 10)
    assert await worker.runs.lease(call.call_id, new_lease_token())


async def test_a_slot_and_a_place_are_left_to_others_by_who_rests(
    web: Desk, worker: Desk, pauses: PauseStore
) -> None:
    worker.runs.places = 1
    first = await web.calls.create(new_call())
    assert await worker.runs.lease(first.call_id, new_lease_token())
    other = await web.calls.create(new_call(workflow="other"))
    assert await worker.runs.lease(other.call_id, new_lease_token()) is None
    await pauses.begin(PARSE, "operator")
    assert await pauses.take_back_call(first.call_id, "operator")
    assert await worker.runs.lease(first.call_id, new_lease_token()) is None
    assert await worker.runs.lease(other.call_id, new_lease_token())


async def test_the_timeout_of_a_call_rests_between_attempts(
    web: Desk, pauses: PauseStore, redis: Redis
) -> None:
    running = await run(web)
    await web.runs.park(running, delay_s=0, ran=False, failure="n8n is away")
    await pauses.begin(PARSE, "operator")
    assert await web.runs.lease(running.call.call_id, new_lease_token()) is None
    call = f"{{bridge}}:call:{running.call.call_id}"
    for field in ("started_at", "rests_since"):
        assert await redis.hincrby(call, field, -3_600_000)
    await pauses.lift(PARSE, SERVER, ["parse"])
    again = await web.runs.lease(running.call.call_id, new_lease_token())
    assert again
    assert again.elapsed_s < 60


async def test_a_resting_call_is_kept_however_long_its_workflow_is_paused(
    web: Desk, pauses: PauseStore, redis: Redis
) -> None:
    await pauses.begin(PARSE, "operator")
    call = await web.calls.create(new_call())
    await redis.expire(f"{{bridge}}:call:{call.call_id}", 5)
    assert await web.runs.lease(call.call_id, new_lease_token()) is None
    assert await redis.ttl(f"{{bridge}}:call:{call.call_id}") > 600


async def test_an_execution_is_followed_on_while_its_workflow_is_paused(
    web: Desk, worker: Desk, pauses: PauseStore
) -> None:
    running = await run_sent(web, concurrency=1)
    assert await web.runs.executes(running, "41")
    resting = await web.calls.create(new_call(concurrency=1))
    await pauses.begin(PARSE, "operator")
    assert await worker.runs.lease(resting.call_id, new_lease_token()) is None
    assert not await pauses.take_back_call(running.call.call_id, "operator")
    await web.runs.abandon(running.call.call_id, running.token)

    followed = await worker.runs.lease(running.call.call_id, new_lease_token())
    assert followed
    assert followed.call.execution == "41"
    assert followed.call.paused_at_ms is None


@pytest.mark.parametrize(
    ("is_sent", "idempotent", "is_taken_back"),
    [(False, False, True), (True, True, True), (True, False, False)],
)
async def test_only_a_call_that_runs_nothing_twice_is_taken_back(
    web: Desk, pauses: PauseStore, *, is_sent: bool, idempotent: bool, is_taken_back: bool
) -> None:
    begin = run_sent if is_sent else run
    running = await begin(web, idempotent=idempotent)
    assert await pauses.take_back_call(running.call.call_id, "operator") == is_taken_back
    call = await now(web, running)
    assert call.status == ("queued" if is_taken_back else "running")
    assert not await pauses.take_back_call("call_none", "operator")


async def test_the_first_of_two_operators_counts_and_either_may_resume(
    web: Desk, worker: Desk, pauses: PauseStore
) -> None:
    other = OperatorStore(worker.steps).pauses
    first, second = await asyncio.gather(pauses.begin(PARSE, "ann"), other.begin(PARSE, "bob"))
    assert first == second
    assert await other.listed() == [first]
    lifted = await asyncio.gather(
        *(each.lift(PARSE, SERVER, ["parse"]) for each in (pauses, other))
    )
    assert sorted(lifted) == [False, True]
    assert await pauses.listed() == []


async def test_a_pause_holds_for_each_of_many_leases_in_flight_with_it(
    web: Desk, worker: Desk, pauses: PauseStore
) -> None:
    made = [await web.calls.create(new_call(concurrency=100)) for _ in range(40)]
    leases = [worker.runs.lease(call.call_id, new_lease_token()) for call in made]
    begun, running = await asyncio.gather(pauses.begin(PARSE, "operator"), asyncio.gather(*leases))
    under_way = await pauses.under_way(SERVER, "parse")
    assert set(under_way.calls) == {each.call.call_id for each in running if each}
    for call in made:
        is_running = call.call_id in under_way.calls
        found = await web.calls.read(CallId(call.call_id))
        assert found
        assert found.paused_at_ms == (None if is_running else begun.at_ms)


async def test_what_is_paused_is_told_with_the_totals(web: Desk, pauses: PauseStore) -> None:
    assert (await Counters(web.steps).read([])).paused == ()
    pause = await pauses.begin(TICKET, "operator")
    assert (await Counters(web.steps).read([])).paused == (pause,)
    assert await web.redis.ttl("{bridge}:paused") == -1


async def test_a_waiter_of_a_paused_hook_keeps_its_place(web: Desk, pauses: PauseStore) -> None:
    await pauses.begin(TICKET, "operator")
    first = wish(waiter="first")
    for each in (first, wish(waiter="second")):
        with pytest.raises(PausedError):
            await web.take(each)
    event = await web.accept()
    await pauses.lift(TICKET, SERVER, [HOOK])
    found = await web.claims.take(first, ALICE, token_of("first"))
    assert found
    assert found[0].event_id == event.event_id
