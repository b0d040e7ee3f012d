"""Answering, extending and giving back: the newest lease decides, once."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bridge.models import EventStatus, LeaseRef, LeaseToken, ReplyStatus
from tests.store.records import ADDRESS, ALICE, BOB, HOSTILE, STRANGER, Desk, held, new_event

Attempt = Callable[[Desk, LeaseRef], Awaitable[tuple[str, str]]]

ATTEMPTS: list[Attempt] = [
    lambda web, claim: web.events.answer(claim, b"1"),
    lambda web, claim: web.events.extend(claim, 60),
    lambda web, claim: web.events.release(claim, status="queued"),
    lambda web, claim: web.events.release(claim, status="delayed", delay_s=60),
    lambda web, claim: web.events.release(claim, status="dead"),
]
VALUES = [b"null", b'{"a": "\x00\n\xf0\x9f\xa6\x80"}', json.dumps("'\"]}--").encode(), b"1" * 2**20]

every_attempt = pytest.mark.parametrize(
    "attempt", ATTEMPTS, ids=["answer", "extend", "release", "delay", "dead"]
)


async def taken_by_nobody(web: Desk, lease_s: float = 0) -> LeaseRef:
    """Take an event and have its lease run out."""
    late = await web.taken(lease_s=lease_s)
    await web.events.sweep()
    return late


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value[:12]))
async def test_an_answer_is_kept_as_it_was_given(web: Desk, value: bytes) -> None:
    claim = await web.taken()

    assert await web.events.answer(claim, value) == ("answered", "none")

    event = await web.events.read(claim.event_id)
    assert event
    assert (event.status, event.reply.status, event.reply.value) == (
        EventStatus.ANSWERED,
        ReplyStatus.NONE,
        value,
    )
    assert await web.held() == set()


async def test_an_answer_with_an_address_is_pending(web: Desk) -> None:
    claim = await web.taken(reply_url=ADDRESS)

    assert await web.events.answer(claim, b"1") == ("answered", "pending")
    assert await web.redis.zscore("{bridge}:due_replies", claim.event_id)


async def test_answering_again_changes_nothing_and_says_the_same(web: Desk) -> None:
    claim = await web.taken(reply_url=ADDRESS)
    first = await web.events.answer(claim, b"1")
    before = await web.everything()

    assert await web.events.answer(claim, b"1") == first
    assert await web.everything() == before


async def test_another_answer_to_an_answered_event_is_refused(web: Desk) -> None:
    claim = await web.taken(reply_url=ADDRESS)
    await web.events.answer(claim, b"1")
    before = await web.everything()

    assert await web.events.answer(claim, b"2") == ("lost", "answered")
    assert await web.everything() == before


async def test_extending_moves_the_end_of_the_lease(web: Desk) -> None:
    claim = await web.taken(lease_s=0)

    outcome, until_ms = await web.events.extend(claim, 100)

    assert outcome == "extended"
    assert await web.redis.zscore("{bridge}:event_leases", claim.event_id) == int(until_ms)
    await web.events.sweep()
    assert await web.status(claim.event_id) is EventStatus.LEASED


async def test_a_released_event_is_queued_in_its_old_place_and_its_attempt_counts(
    web: Desk,
) -> None:
    claim = await web.taken()
    await web.accept()

    assert await web.events.release(claim, status="queued", reason="later") == (
        "released",
        "queued",
    )

    event = await web.events.read(claim.event_id)
    assert event
    assert (event.status, event.attempt, event.reason) == (EventStatus.QUEUED, 1, "later")
    again = await web.take()
    assert again
    assert again.event_id == claim.event_id


@pytest.mark.parametrize("status", ["queued", "delayed", "dead"])
async def test_releasing_again_changes_nothing_and_says_the_same(web: Desk, status: str) -> None:
    claim = await web.taken()
    first = await web.events.release(claim, status=status, delay_s=5, reason="why")
    before = await web.everything()

    assert await web.events.release(claim, status=status, delay_s=5, reason="why") == first
    assert await web.everything() == before


async def test_releasing_again_takes_nothing_from_the_next_taker(web: Desk) -> None:
    old = await web.taken()
    await web.events.release(old, status="queued")
    await web.take(principal=BOB)
    before = await web.everything()

    await web.events.release(old, status="dead")

    assert await web.everything() == before


async def test_a_delayed_event_waits_for_its_time(web: Desk) -> None:
    claim = await web.taken()

    await web.events.release(claim, status="delayed", delay_s=600)
    await web.events.sweep()

    assert await web.status(claim.event_id) is EventStatus.QUEUED
    assert await web.take() is None
    await web.redis.zadd("{bridge}:event_leases", {claim.event_id: 1})
    await web.events.sweep()
    assert await web.take()


async def test_a_delayed_event_is_listed_among_the_queued(web: Desk) -> None:
    claim = await web.taken()
    await web.events.release(claim, status="delayed", delay_s=600)

    (listed,) = await web.events.listed("support", ["ticket"], EventStatus.QUEUED, 0, 5)

    assert (listed.event_id, listed.status) == (claim.event_id, EventStatus.QUEUED)


async def test_an_event_set_aside_is_taken_by_nobody(web: Desk) -> None:
    claim = await web.taken()

    assert await web.events.release(claim, status="dead", reason="odd") == ("released", "dead")
    assert await web.take() is None


async def test_an_event_given_back_at_its_last_attempt_is_dead(web: Desk) -> None:
    await web.accept(max_attempts=2)
    first = await web.take()
    assert first
    assert await web.events.release(first, status="queued") == ("released", "queued")
    last = await web.take()
    assert last

    assert await web.events.release(last, status="delayed", delay_s=5) == ("released", "dead")

    event = await web.events.read(last.event_id)
    assert event
    assert (event.status, event.attempt, event.reason) == (
        EventStatus.DEAD,
        2,
        "every attempt was given back",
    )
    assert await web.redis.exists("{bridge}:event_leases") == 0


async def test_a_late_answer_is_accepted_if_nobody_took_the_event_since(web: Desk) -> None:
    late = await taken_by_nobody(web)

    assert await web.events.answer(late, b"1") == ("answered", "none")
    assert await web.take() is None


async def test_a_late_answer_is_accepted_before_anyone_saw_that_it_is_late(web: Desk) -> None:
    late = await web.taken(lease_s=0)

    assert await web.events.answer(late, b"1") == ("answered", "none")
    await web.events.sweep()
    assert await web.status(late.event_id) is EventStatus.ANSWERED


async def test_a_late_answer_is_accepted_after_the_last_attempt(web: Desk) -> None:
    late = await web.taken(lease_s=0, max_attempts=1)
    await web.events.sweep()
    assert await web.status(late.event_id) is EventStatus.DEAD

    assert await web.events.answer(late, b"1") == ("answered", "none")
    assert await web.status(late.event_id) is EventStatus.ANSWERED


@every_attempt
async def test_a_late_lease_is_worth_nothing_once_the_event_was_taken_again(
    web: Desk, attempt: Attempt
) -> None:
    late = await taken_by_nobody(web)
    assert await web.take(principal=ALICE)
    before = await web.everything()

    assert await attempt(web, late) == ("lost", "leased")
    assert await web.everything() == before


@every_attempt
async def test_a_lease_is_worth_nothing_once_the_event_expired(web: Desk, attempt: Attempt) -> None:
    late = await web.taken(answer_within_s=0)
    await web.events.sweep()
    before = await web.everything()

    assert await attempt(web, late) == ("lost", "expired")
    assert await web.everything() == before


@every_attempt
async def test_a_lease_is_worth_nothing_once_it_was_given_back(web: Desk, attempt: Attempt) -> None:
    claim = await web.taken()
    await web.events.release(claim, status="dead")
    before = await web.everything()

    outcome, status = await attempt(web, claim)

    assert (outcome, status) in {("lost", "dead"), ("released", "dead")}
    assert await web.everything() == before


@pytest.mark.parametrize("attempt", ATTEMPTS[1:], ids=["extend", "release", "delay", "dead"])
async def test_an_answered_event_is_neither_extended_nor_given_back(
    web: Desk, attempt: Attempt
) -> None:
    claim = await web.taken()
    await web.events.answer(claim, b"1")
    before = await web.everything()

    assert await attempt(web, claim) == ("lost", "answered")
    assert await web.everything() == before


@every_attempt
async def test_a_lease_belongs_to_the_principal_that_took_it(web: Desk, attempt: Attempt) -> None:
    claim = await web.taken()
    before = await web.everything()

    assert await attempt(web, replace(claim, principal=BOB)) == ("lost", "leased")
    assert await web.everything() == before


@every_attempt
async def test_an_event_of_another_server_is_unknown(web: Desk, attempt: Attempt) -> None:
    claim = await web.taken()
    before = await web.everything()

    assert await attempt(web, replace(claim, principal=STRANGER)) == ("lost", "unknown")
    assert await web.everything() == before


@every_attempt
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_hostile_ids_and_tokens_settle_nothing(
    web: Desk, attempt: Attempt, text: str
) -> None:
    claim = await web.taken()
    before = await web.everything()

    assert await attempt(web, replace(claim, token=LeaseToken(text))) == ("lost", "leased")
    unknown = held(await web.accept(hook="other")).event_id
    before = await web.everything()
    hostile = replace(claim, event_id=new_event(event_id=text).event_id)
    assert unknown != hostile.event_id
    assert await attempt(web, hostile) == ("lost", "unknown")
    assert await web.everything() == before


async def test_of_two_answers_with_one_lease_the_first_counts(web: Desk, worker: Desk) -> None:
    for _ in range(20):
        claim = await web.taken()

        outcomes = await asyncio.gather(
            web.events.answer(claim, b"1"), worker.events.answer(claim, b"2")
        )

        assert set(outcomes) == {("answered", "none"), ("lost", "answered")}
        event = await web.events.read(claim.event_id)
        assert event
        assert event.reply.value == (b"1" if outcomes[0][0] == "answered" else b"2")


async def test_of_an_answer_and_a_release_one_wins(web: Desk, worker: Desk) -> None:
    for _ in range(20):
        claim = await web.taken()

        (answered, _), (released, _) = await asyncio.gather(
            web.events.answer(claim, b"1"), worker.events.release(claim, status="dead")
        )

        assert {answered, released} in ({"answered", "lost"}, {"lost", "released"})
        status = await web.status(claim.event_id)
        assert (status is EventStatus.ANSWERED) == (answered == "answered")


async def test_what_is_settled_is_counted_no_more_among_the_leases(web: Desk) -> None:
    claim = await web.taken()
    await web.events.answer(claim, b"1")

    assert await web.redis.exists("{bridge}:event_leases", "{bridge}:event_deadlines") == 0
