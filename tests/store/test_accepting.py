"""Accepting: once a key, in order, whatever the bytes."""

import asyncio

import pytest

from bridge.models import Body, EventStatus, ReplyStatus
from tests.store.records import HOOK, HOSTILE, SERVER, Desk, new_event, wish

BODIES = [
    b"{}",
    b"null",
    b"\x00\xff\xfe",
    b"'; return redis.call('FLUSHALL') --",
    '{"a": "\u2028\\u0000🦀\n"}'.encode(),
    b'"' + b"x" * (16 * 2**20) + b'"',
]


async def test_an_accepted_event_is_queued_and_told_as_it_came(web: Desk) -> None:
    new = new_event(b'{"a":1}', summary="a 1")

    outcome, event = await web.events.accept(new)

    assert outcome == "accepted"
    assert event
    assert (event.event_id, event.server, event.hook) == (new.event_id, SERVER, HOOK)
    assert (event.status, event.attempt, event.summary) == (EventStatus.QUEUED, 0, "a 1")
    assert (event.reply.status, event.reply.value, event.reply.attempts) == (
        ReplyStatus.NONE,
        None,
        0,
    )
    assert await web.events.read(new.event_id) == event


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body[:20]))
async def test_a_body_comes_back_byte_for_byte(web: Desk, body: bytes) -> None:
    event = await web.accept(body)

    assert await web.events.read_body(event.event_id) == (SERVER, Body(body, "application/json"))


async def test_accepting_again_with_the_same_arguments_changes_nothing(web: Desk) -> None:
    new = new_event(idempotency="key")
    first = await web.events.accept(new)
    before = await web.everything()

    assert await web.events.accept(new) == first
    assert await web.everything() == before


async def test_a_repeat_does_not_bring_a_taken_event_back_to_the_queue(web: Desk) -> None:
    new = new_event()
    await web.events.accept(new)
    await web.take()

    outcome, event = await web.events.accept(new)

    assert (outcome, event and event.status) == ("accepted", EventStatus.LEASED)


async def test_a_key_seen_before_gives_the_event_as_it_is_now(web: Desk) -> None:
    first = await web.accept(idempotency="key")
    await web.take()

    outcome, event = await web.events.accept(new_event(idempotency="key"))

    assert outcome == "duplicate"
    assert event
    assert (event.event_id, event.status) == (first.event_id, EventStatus.LEASED)


async def test_a_duplicate_stores_nothing(web: Desk) -> None:
    await web.accept(idempotency="key")
    before = await web.everything()

    await web.events.accept(new_event(idempotency="key"))

    assert await web.everything() == before


async def test_a_key_with_another_digest_is_a_conflict_and_stores_nothing(web: Desk) -> None:
    await web.accept(idempotency="key", digest="one")
    before = await web.everything()

    assert await web.events.accept(new_event(idempotency="key", digest="other")) == (
        "conflict",
        None,
    )
    assert await web.everything() == before


async def test_a_key_is_remembered_for_a_day_from_its_first_use(web: Desk) -> None:
    await web.accept(idempotency="key")
    await web.redis.expire("{bridge}:idempotency:key", 100)

    await web.events.accept(new_event(idempotency="key"))

    assert await web.redis.ttl("{bridge}:idempotency:key") <= 100
    await web.redis.delete("{bridge}:idempotency:key")
    outcome, _ = await web.events.accept(new_event(idempotency="key"))
    assert outcome == "accepted"
    assert 86_390 < await web.redis.ttl("{bridge}:idempotency:key") <= 86_400


async def test_a_key_whose_event_is_gone_is_free_again(web: Desk) -> None:
    gone = await web.accept(idempotency="key")
    await web.redis.delete(f"{{bridge}}:event:{gone.event_id}", f"{{bridge}}:reply:{gone.event_id}")

    again = await web.accept(idempotency="key")

    assert again.event_id != gone.event_id
    outcome, event = await web.events.accept(new_event(idempotency="key"))
    assert (outcome, event) == ("duplicate", again)


async def test_of_two_racers_with_one_key_one_is_accepted(web: Desk, worker: Desk) -> None:
    for number in range(50):
        outcomes = await asyncio.gather(
            web.events.accept(new_event(idempotency=f"key-{number}")),
            worker.events.accept(new_event(idempotency=f"key-{number}")),
        )
        (first, one), (second, other) = outcomes
        assert {first, second} == {"accepted", "duplicate"}
        assert one == other


async def test_order_numbers_strictly_increase(web: Desk, worker: Desk) -> None:
    desks = [web, worker] * 100

    await asyncio.gather(*(each.accept() for each in desks))

    listed = await web.events.listed(SERVER, [HOOK], EventStatus.QUEUED, 0, 1000)
    orders = [event.order for event in listed]
    assert len(orders) == 200
    assert orders == sorted(set(orders))


async def test_order_numbers_increase_even_when_the_clock_was_ahead_before(web: Desk) -> None:
    ahead = 8_000_000_000_000_000
    await web.redis.set("{bridge}:order", ahead)

    first, second = await web.accept(), await web.accept()

    assert (first.order, second.order) == (ahead + 1, ahead + 2)


async def test_an_event_and_its_reply_are_kept_for_their_time_after_they_would_expire(
    web: Desk,
) -> None:
    event = await web.accept(answer_within_s=100.5, ttl_s=50)

    assert await web.redis.ttl(f"{{bridge}}:event:{event.event_id}") in (150, 151)
    assert await web.redis.ttl(f"{{bridge}}:reply:{event.event_id}") in (150, 151)


@pytest.mark.parametrize("event_id", HOSTILE, ids=lambda id_: ascii(id_[:12]))
async def test_an_id_that_nobody_gave_out_is_unknown(web: Desk, event_id: str) -> None:
    hostile = new_event(event_id=event_id).event_id

    assert await web.events.read(hostile) is None
    assert await web.events.read_body(hostile) is None
    assert await web.redis.keys("{bridge}:event*") == []


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_hostile_texts_are_stored_as_texts(web: Desk, text: str) -> None:
    accepted = await web.accept(summary=text, reply_url=text, default_reply=text, hook="other")
    event = await web.events.read(accepted.event_id)

    assert event
    assert event.summary == text.encode(errors="replace").decode()
    assert await web.take(wish(hooks={"other": 0})) is not None
    assert await web.redis.exists("{bridge}:order")


async def test_lists_are_oldest_first_and_in_pages(web: Desk) -> None:
    accepted = [await web.accept(hook=f"hook-{number % 3}") for number in range(10)]
    hooks = ["hook-0", "hook-1", "hook-2"]

    first = await web.events.listed(SERVER, hooks, EventStatus.QUEUED, 0, 6)
    rest = await web.events.listed(SERVER, hooks, EventStatus.QUEUED, first[-1].order, 6)

    assert first + rest == accepted


async def test_a_list_shows_only_what_was_asked_for(web: Desk) -> None:
    waiting = await web.accept(hook="other")
    await web.accept(server="sales")
    taken = await web.taken()

    queued = await web.events.listed(SERVER, [HOOK, "other"], EventStatus.QUEUED, 0, 10)
    leased = await web.events.listed(SERVER, [HOOK, "other"], EventStatus.LEASED, 0, 10)

    assert [event.event_id for event in queued] == [waiting.event_id]
    assert [event.event_id for event in leased] == [taken.event_id]


async def test_a_page_is_full_though_its_oldest_events_are_gone(web: Desk) -> None:
    gone = [await web.accept() for _ in range(5)]
    there = [await web.accept() for _ in range(3)]
    await web.redis.delete(*(f"{{bridge}}:event:{event.event_id}" for event in gone))

    assert await web.events.listed(SERVER, [HOOK], EventStatus.QUEUED, 0, 2) == there[:2]
    assert await web.redis.zcard(f"{{bridge}}:inbox:{SERVER}:{HOOK}:queued") == 3


async def test_an_event_that_is_gone_holds_up_no_taker(web: Desk) -> None:
    gone, there = await web.accept(), await web.accept()
    await web.redis.delete(f"{{bridge}}:event:{gone.event_id}")

    taken = await web.take()

    assert taken
    assert taken.event_id == there.event_id
    assert await web.take() is None


async def test_an_index_does_not_grow_with_events_that_are_gone(web: Desk) -> None:
    for _ in range(20):
        held = await web.taken()
        await web.events.answer(held, b"1")
        await web.redis.delete(
            f"{{bridge}}:event:{held.event_id}", f"{{bridge}}:reply:{held.event_id}"
        )

    assert await web.redis.zcard(f"{{bridge}}:inbox:{SERVER}:{HOOK}:answered") <= 2
    assert await web.take(wish()) is None
