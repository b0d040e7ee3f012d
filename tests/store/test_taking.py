"""Taking: the oldest of the highest priority, first come first served, to one taker alone."""

import asyncio
from os import fsdecode

import pytest

from bridge.errors import TooManyTakersError
from bridge.models import EventId, EventStatus, new_lease_token
from tests.store.records import ALICE, BOB, HOOK, HOSTILE, SERVER, WEB, Desk, token_of, wish
from tests.waiting import commands

HOOKS = {HOOK: 0, "alarm": 0}


async def test_a_taker_gets_the_oldest_event_and_its_body(web: Desk) -> None:
    oldest = await web.accept(b'{"n":1}')
    await web.accept(b'{"n":2}')

    found = await web.claims.take(wish(), ALICE, new_lease_token())

    assert found
    event, body = found
    assert (event.event_id, event.status, event.attempt) == (
        oldest.event_id,
        EventStatus.LEASED,
        1,
    )
    assert body.content == b'{"n":1}'


async def test_from_an_empty_inbox_nothing_is_taken_and_nothing_is_left_behind(web: Desk) -> None:
    before = await web.everything()

    assert await web.take() is None
    assert await web.everything() == before


async def test_taking_again_with_the_same_token_gives_the_same_event(web: Desk) -> None:
    await web.accept()
    await web.accept()
    token = new_lease_token()
    first = await web.claims.take(wish(), ALICE, token)
    before = await web.everything()

    assert await web.claims.take(wish(), ALICE, token) == first
    assert await web.everything() == before


async def test_an_event_goes_to_one_of_many_takers(web: Desk, worker: Desk) -> None:
    accepted = {(await web.accept()).event_id for _ in range(40)}

    taken = await asyncio.gather(*(each.take() for each in [web, worker] * 30))

    found = [held.event_id for held in taken if held]
    assert len(found) == 40
    assert set(found) == accepted


async def test_what_is_taken_is_held_by_its_process_until_it_was_handed_over(web: Desk) -> None:
    held = await web.taken()
    assert await web.held() == {f"event {held.event_id} {held.token}"}

    for _ in range(2):
        await web.claims.handed_over(held.event_id, held.token)
        assert await web.held() == set()


async def test_higher_priorities_come_first_and_the_oldest_within_each(web: Desk) -> None:
    low, alarm, later = (
        await web.accept(hook="low"),
        await web.accept(hook="alarm"),
        await web.accept(hook="alarm"),
    )
    asked = wish(hooks={"low": -1, "alarm": 5})

    taken = [await web.take(asked) for _ in range(4)]

    assert [held.event_id if held else None for held in taken] == [
        alarm.event_id,
        later.event_id,
        low.event_id,
        None,
    ]


async def test_hooks_of_one_priority_are_one_queue(web: Desk) -> None:
    accepted = [await web.accept(hook=hook) for hook in ("alarm", HOOK, "alarm", HOOK)]

    taken = [await web.take(wish(hooks=HOOKS)) for _ in accepted]

    assert [held.event_id for held in taken if held] == [event.event_id for event in accepted]


async def test_a_taker_may_ask_for_one_hook_only(web: Desk) -> None:
    await web.accept()
    alarm = await web.accept(hook="alarm")

    held = await web.take(wish(hooks=HOOKS, only="alarm"))

    assert held
    assert held.event_id == alarm.event_id
    assert await web.take(wish(hooks=HOOKS, only="alarm")) is None


@pytest.mark.parametrize("name", HOSTILE[1:], ids=lambda name: ascii(name[:12]))
async def test_hostile_wishes_and_waiters_take_nothing_amiss(web: Desk, name: str) -> None:
    event = await web.accept()

    assert await web.take(wish(only=name)) is None
    await web.claims.leave_line(wish(waiter=name), new_lease_token())
    held = await web.take(wish(waiter=name or "nobody"))
    assert held
    assert held.event_id == event.event_id


async def test_waiters_are_served_in_the_order_they_came(web: Desk, worker: Desk) -> None:
    for each, waiter in ((web, "first"), (worker, "second"), (web, "third")):
        assert await each.take(wish(waiter=waiter)) is None
    await web.accept()
    await web.accept()

    assert await web.take(wish(waiter="third")) is None
    assert await worker.take(wish(waiter="second"))
    assert await web.take(wish(waiter="third")) is None
    assert await web.take(wish(waiter="first"))
    assert await web.take(wish(waiter="third")) is None


async def test_who_does_not_wait_gets_nothing_that_a_waiter_will_get(web: Desk) -> None:
    await web.take(wish(waiter="first"))
    first = await web.accept()
    assert await web.take() is None

    second = await web.accept()

    early = await web.take()
    waited = await web.take(wish(waiter="first"))
    assert early
    assert waited
    assert (waited.event_id, early.event_id) == (first.event_id, second.event_id)


async def test_a_waiter_for_another_hook_holds_nobody_up(web: Desk) -> None:
    await web.take(wish(hooks=HOOKS, only="alarm", waiter="first"))
    event = await web.accept()

    held = await web.take(wish(hooks=HOOKS, waiter="second"))

    assert held
    assert held.event_id == event.event_id


async def test_a_waiter_whose_process_died_is_passed_over(web: Desk, worker: Desk) -> None:
    await worker.take(wish(waiter="first"))
    await web.redis.zadd("{bridge}:processes", {worker.process: 1})
    await web.accept()

    assert await web.take(wish(waiter="second"))


async def lines(desk: Desk) -> list[str]:
    """Name the keys in which anybody stands in line."""
    found = [fsdecode(key) async for key in desk.redis.scan_iter("{bridge}:*")]
    return [key for key in found if key.split(":")[1] in {"line", "waiters", "takers", "named"}]


async def test_a_dead_process_leaves_every_line_with_all_its_takers(
    web: Desk, worker: Desk
) -> None:
    for number in range(3):
        await worker.take(wish(hooks=HOOKS, waiter=f"any {number}"))
        await worker.take(wish(hooks=HOOKS, waiter=f"picky {number}", only="alarm"))
    await web.redis.zadd("{bridge}:processes", {worker.process: 1})

    event = await web.accept(hook="alarm")

    assert await web.status(event.event_id) is EventStatus.QUEUED
    assert await web.take(wish(hooks=HOOKS, waiter="second"))
    assert [key for key in await lines(web) if "principal" not in key] == []


async def test_what_a_process_was_to_give_a_taker_when_it_ended_goes_to_the_next(
    web: Desk, worker: Desk
) -> None:
    await worker.take(wish(waiter="first"))
    await web.take(wish(waiter="second"))
    event = await web.accept()
    await web.claims.match(SERVER, wish().hooks)
    assert await worker.held()

    for _ in range(2):
        await worker.processes.leave()

    held = await web.take(wish(waiter="second"))
    assert held
    found = await web.events.read(event.event_id)
    assert found
    assert (held.event_id, found.attempt) == (event.event_id, 1)
    assert await worker.held() == set()


async def test_an_event_that_its_taker_did_not_get_goes_to_the_next_at_once(web: Desk) -> None:
    for waiter in ("first", "second"):
        await web.take(wish(waiter=waiter))
    event = await web.accept()

    await web.claims.leave_line(wish(waiter="first"), token_of("first"))

    held = await web.take(wish(waiter="second"))
    assert held
    assert held.event_id == event.event_id


async def test_a_taker_whose_event_went_to_another_meanwhile_waits_on(web: Desk) -> None:
    """Its process was thought dead and lives."""
    await web.take(wish(waiter="first"))
    event = await web.accept()
    await web.claims.match(SERVER, wish().hooks)
    await web.claims.abandon(event.event_id, token_of("first"))
    assert await web.take(principal=BOB)

    assert await web.take(wish(waiter="first")) is None
    later = await web.accept()

    held = await web.take(wish(waiter="first"))
    assert held
    assert held.event_id == later.event_id


async def test_no_more_takers_of_a_principal_wait_than_may_and_more_hear_when_to_come_back(
    web: Desk, worker: Desk
) -> None:
    for each, waiter in ((web, "first"), (worker, "second")):
        await each.take(wish(waiter=waiter, most=2))
    before = await web.everything()

    with pytest.raises(TooManyTakersError) as refused:
        await web.take(wish(waiter="third", most=2))
    assert 0 < (refused.value.retry_after_s or 0) <= 60
    assert await web.everything() == before
    assert await web.take(wish(waiter="first", most=2)) is None
    assert await web.take(wish(most=2)) is None
    assert await web.take(wish(waiter="third", most=2), BOB) is None
    await worker.claims.leave_line(wish(waiter="second"), token_of("second"))
    assert await web.take(wish(waiter="third", most=2)) is None


async def test_takers_of_a_dead_process_keep_nobody_from_waiting(web: Desk, worker: Desk) -> None:
    await worker.take(wish(waiter="first", most=1))
    await web.redis.zadd("{bridge}:processes", {worker.process: 1})

    assert await web.take(wish(waiter="second", most=1)) is None


async def test_events_that_an_older_bridge_queued_are_given_to_those_who_wait(web: Desk) -> None:
    accepted = [await web.accept(hook=hook) for hook in (HOOK, "alarm")]
    claims = [await web.take(wish(hooks=HOOKS)) for _ in accepted]
    for waiter in ("first", "second"):
        await web.take(wish(hooks=HOOKS, waiter=waiter))
    await queue_as_an_older_bridge(web, *(claim.event_id for claim in claims if claim))

    await web.claims.match(wish().server, [(HOOK, 0), ("alarm", 5)])

    given = [await web.take(wish(hooks=HOOKS, waiter=waiter)) for waiter in ("first", "second")]
    assert [held.event_id for held in given if held] == [
        accepted[1].event_id,
        accepted[0].event_id,
    ]


async def queue_as_an_older_bridge(desk: Desk, *ids: EventId) -> None:
    """Queue leased events again, and offer them to nobody."""
    for event_id in ids:
        event = await desk.events.read(event_id)
        assert event
        inbox = f"{{bridge}}:inbox:{SERVER}:{event.hook}"
        await desk.redis.zrem(f"{inbox}:leased", event_id)
        await desk.redis.zadd(f"{inbox}:queued", {event_id: event.order})
        await desk.redis.hset(f"{{bridge}}:event:{event_id}", "status", "queued")


async def test_the_process_is_told_who_waits_and_who_was_given_an_event(
    web: Desk, worker: Desk
) -> None:
    for waiter in ("first", "second"):
        await web.take(wish(waiter=waiter))
    assert await web.claims.waiting() == (2, [])

    await web.accept()
    await worker.claims.match(SERVER, wish().hooks)
    assert await web.claims.waiting() == (2, ["first"])
    assert await worker.claims.waiting() == (0, [])

    await web.take(wish(waiter="first"))
    assert await web.claims.waiting() == (1, [])


async def test_a_step_costs_the_same_however_many_wait(web: Desk) -> None:
    await commands_of_one_event(web, 1)
    few = await commands_of_one_event(web, 10)
    many = await commands_of_one_event(web, 1000)

    assert many == few


async def commands_of_one_event(desk: Desk, waiters: int) -> int:
    """Count what Redis does for an event and its taker while so many wait."""
    await desk.redis.flushall()
    await desk.processes.beat()
    for number in range(waiters):
        await desk.take(wish(waiter=str(number)))
    before = await commands(desk.redis)
    await desk.accept()
    assert await desk.take(wish(waiter="0"))
    return await commands(desk.redis) - before


async def test_who_leaves_the_line_holds_nobody_up(web: Desk) -> None:
    await web.take(wish(waiter="first"))
    for _ in range(2):
        await web.claims.leave_line(wish(waiter="first"), token_of("first"))
    await web.accept()

    assert await web.take()


async def test_who_was_served_stands_in_line_no_more(web: Desk) -> None:
    await web.take(wish(waiter="first"))
    await web.accept()
    await web.take(wish(waiter="first"))
    await web.accept()

    assert await web.take()
    assert await lines(web) == []


async def test_leaving_gives_back_what_was_taken_unnoticed_and_counts_no_attempt(
    web: Desk,
) -> None:
    event = await web.accept()
    token = new_lease_token()
    await web.claims.take(wish(waiter="first"), ALICE, token)

    for _ in range(2):
        await web.claims.leave_line(wish(waiter="first"), token)

    found = await web.events.read(event.event_id)
    assert found
    assert (found.status, found.attempt) == (EventStatus.QUEUED, 0)
    assert await web.held() == set()


async def test_a_take_that_arrives_after_its_taker_left_takes_nothing(web: Desk) -> None:
    event = await web.accept()
    token = new_lease_token()
    await web.claims.leave_line(wish(waiter="first"), token)

    assert await web.claims.take(wish(waiter="first"), ALICE, token) is None
    assert await web.status(event.event_id) is EventStatus.QUEUED


async def test_an_abandoned_event_is_queued_in_its_old_place_and_counts_no_attempt(
    web: Desk,
) -> None:
    held = await web.taken()
    await web.accept()

    for _ in range(2):
        await web.claims.abandon(held.event_id, held.token)

    found = await web.events.read(held.event_id)
    assert found
    assert (found.status, found.attempt) == (EventStatus.QUEUED, 0)
    assert await web.held() == set()
    again = await web.take()
    assert again
    assert again.event_id == held.event_id


async def test_abandoning_with_an_old_token_takes_nothing_from_the_new_taker(web: Desk) -> None:
    old = await web.taken()
    await web.claims.abandon(old.event_id, old.token)
    new = await web.take(principal=BOB)
    before = await web.everything()

    await web.claims.abandon(old.event_id, old.token)

    assert new
    assert await web.everything() == before


async def test_an_answered_event_cannot_be_abandoned(web: Desk) -> None:
    held = await web.taken()
    await web.events.answer(held, b"1")

    await web.claims.abandon(held.event_id, held.token)

    assert await web.status(held.event_id) is EventStatus.ANSWERED


@pytest.mark.parametrize("event_id", HOSTILE, ids=lambda id_: ascii(id_[:12]))
async def test_abandoning_or_handing_over_what_nobody_has_changes_nothing(
    web: Desk, event_id: str
) -> None:
    await web.taken()
    before = await web.everything()

    await web.claims.abandon(event_id, event_id)
    await web.claims.handed_over(event_id, new_lease_token())

    assert await web.everything() == before


async def test_a_process_that_takes_is_known_to_be_there(web: Desk) -> None:
    await web.redis.delete("{bridge}:processes")
    await web.taken()

    assert await web.redis.zscore("{bridge}:processes", WEB)


async def test_an_answer_that_is_written_again_is_held_by_whoever_writes_it(
    web: Desk, worker: Desk
) -> None:
    claim = await web.taken()

    for _ in range(2):
        await worker.claims.hold(claim.event_id, claim.token)

    assert await web.held() == set()
    assert await worker.held() == {f"event {claim.event_id} {claim.token}"}
    assert await web.status(claim.event_id) is EventStatus.LEASED


async def test_an_event_that_was_abandoned_is_leased_again_with_its_answer(
    web: Desk, worker: Desk
) -> None:
    claim = await web.taken()
    await web.claims.abandon(claim.event_id, claim.token)

    for _ in range(2):
        await worker.claims.hold(claim.event_id, claim.token)

    event = await web.events.read(claim.event_id)
    assert event
    assert (event.status, event.attempt) == (EventStatus.LEASED, 1)
    assert await worker.held() == {f"event {claim.event_id} {claim.token}"}
    assert await web.redis.zscore("{bridge}:event_leases", claim.event_id)
    assert await web.take() is None
    assert await web.events.answer(claim, b"1") == ("answered", "none")


@pytest.mark.parametrize("settle", ["taken again", "given back", "answered", "handed over"])
async def test_an_answer_that_is_written_too_late_holds_nothing(
    web: Desk, worker: Desk, settle: str
) -> None:
    claim = await web.taken()
    if settle == "taken again":
        await web.claims.abandon(claim.event_id, claim.token)
        await web.take(principal=BOB)
    elif settle == "given back":
        await web.events.release(claim, status="queued")
    elif settle == "answered":
        await web.events.answer(claim, b"1")
    else:
        await web.claims.handed_over(claim.event_id, claim.token)
    before = await web.everything()

    await worker.claims.hold(claim.event_id, claim.token)

    assert await web.everything() == before
