"""Replies: one sender at a time, and a lost outcome is remembered."""

import asyncio
import math
from dataclasses import replace

import pytest

from bridge.models import EventId, LeaseToken, ReplyStatus, new_lease_token
from bridge.store.replies import ReplyLease
from tests.store.records import ADDRESS, HOOK, HOSTILE, SERVER, Desk


async def pending(web: Desk, value: bytes = b'{"a":1}', **changes: object) -> EventId:
    """Have an event answered whose reply has an address."""
    claim = await web.taken(**{"reply_url": ADDRESS, **changes})
    assert await web.events.answer(claim, value) == ("answered", "pending")
    return claim.event_id


async def sent(web: Desk) -> ReplyLease:
    """Become the sender of a fresh reply."""
    sending = await web.replies.lease(await pending(web), new_lease_token())
    assert sending
    return sending


async def test_a_sender_gets_all_that_it_needs(web: Desk) -> None:
    event_id = await pending(web, reply_deadline="2100-01-01T00:00:00+00:00")
    token = new_lease_token()

    sending = await web.replies.lease(event_id, token)

    assert sending
    assert replace(sending, age_s=0, n8n_waits_s=0) == ReplyLease(
        event_id=event_id,
        token=token,
        url=ADDRESS,
        value=b'{"a":1}',
        n8n_waits_s=0,
        age_s=0,
        attempt=1,
        tries=1,
        unknown=False,
        last_failure="",
        server=SERVER,
        hook=HOOK,
    )
    assert 0 <= sending.age_s < 10
    seconds, _ = await web.redis.time()
    assert sending.n8n_waits_s == pytest.approx(4102444800 - seconds, abs=10)


async def test_an_attempt_that_was_put_off_counts_as_none_and_keeps_the_first_failure(
    web: Desk,
) -> None:
    sending = await sent(web)
    await web.replies.put_off(sending, 0, "resting")
    again = await web.replies.lease(sending.event_id, new_lease_token())
    assert again
    assert (again.attempt, again.last_failure) == (1, "resting")

    await web.replies.put_off(again, 0, "resting still")

    once_more = await web.replies.lease(sending.event_id, new_lease_token())
    assert once_more
    assert (once_more.attempt, once_more.last_failure) == (1, "resting")


async def test_what_is_kept_of_attempts_dies_with_the_reply(web: Desk) -> None:
    sending = await sent(web)
    lives_s = await web.redis.ttl(f"{{bridge}}:reply:{sending.event_id}")
    for _ in range(3):
        assert await web.replies.settle(sending, ReplyStatus.PENDING, failure="503")
        again = await web.replies.lease(sending.event_id, new_lease_token())
        assert again
        sending = again

        kept_s = await web.redis.ttl(f"{{bridge}}:attempts:{sending.event_id}")
        assert lives_s - 10 < kept_s <= lives_s


async def test_leasing_again_with_the_same_token_changes_nothing(web: Desk) -> None:
    sending = await sent(web)
    before = await web.everything()

    again = await web.replies.lease(sending.event_id, sending.token)

    assert again
    assert replace(again, age_s=sending.age_s, n8n_waits_s=math.inf) == sending
    assert await web.everything() == before


async def test_a_reply_has_one_sender_at_a_time(web: Desk, worker: Desk) -> None:
    for _ in range(20):
        event_id = await pending(web)

        found = await asyncio.gather(
            *(each.replies.lease(event_id, new_lease_token()) for each in [web, worker] * 3)
        )

        assert len([sending for sending in found if sending]) == 1


async def test_a_reply_that_is_being_sent_is_due_to_nobody_else(web: Desk) -> None:
    await sent(web)

    assert await web.redis.exists("{bridge}:due_replies") == 0


async def test_there_is_nothing_to_send_without_an_answer_or_an_address(web: Desk) -> None:
    unanswered = await web.taken(reply_url=ADDRESS)
    assert await web.replies.lease(unanswered.event_id, new_lease_token()) is None
    no_address = await web.taken()
    await web.events.answer(no_address, b"1")

    assert await web.replies.lease(no_address.event_id, new_lease_token()) is None


@pytest.mark.parametrize("status", [ReplyStatus.DELIVERED, ReplyStatus.DEAD])
async def test_a_settled_reply_is_sent_no_more(web: Desk, status: ReplyStatus) -> None:
    sending = await sent(web)

    assert await web.replies.settle(sending, status, failure="why")

    event = await web.events.read(sending.event_id)
    assert event
    assert (event.reply.status, event.reply.attempts, event.reply.last_failure) == (
        status,
        1,
        "why",
    )
    assert await web.replies.lease(sending.event_id, new_lease_token()) is None
    assert await web.held() == set()
    assert await web.redis.exists("{bridge}:due_replies") == 0


async def test_the_address_is_forgotten_once_the_reply_is_delivered(web: Desk) -> None:
    sending = await sent(web)

    await web.replies.settle(sending, ReplyStatus.DELIVERED)

    assert not await web.redis.hexists(f"{{bridge}}:reply:{sending.event_id}", "url")


async def test_a_reply_that_failed_is_due_again_after_its_delay(web: Desk) -> None:
    sending = await sent(web)

    await web.replies.settle(sending, ReplyStatus.PENDING, failure="503", delay_s=600, unknown=True)

    assert await web.replies.sweep(10, 60) == []
    await web.redis.zadd("{bridge}:due_replies", {sending.event_id: 1})
    assert await web.replies.sweep(10, 60) == [sending.event_id]
    again = await web.replies.lease(sending.event_id, new_lease_token())
    assert again
    assert (again.attempt, again.unknown) == (2, True)


async def test_settling_again_changes_nothing(web: Desk) -> None:
    sending = await sent(web)
    await web.replies.settle(sending, ReplyStatus.DELIVERED)
    before = await web.everything()

    assert not await web.replies.settle(sending, ReplyStatus.DEAD)
    assert await web.everything() == before


async def test_a_sender_whose_lease_was_abandoned_settles_nothing(web: Desk, worker: Desk) -> None:
    old = await sent(web)
    await worker.replies.abandon(old.event_id, old.token)
    new = await worker.replies.lease(old.event_id, new_lease_token())
    before = await web.everything()

    assert not await web.replies.settle(old, ReplyStatus.DEAD)
    assert new
    assert await web.everything() == before


async def test_an_abandoned_reply_is_due_at_once_and_its_last_outcome_unknown(web: Desk) -> None:
    sending = await sent(web)

    for _ in range(2):
        await web.replies.abandon(sending.event_id, sending.token)

    assert await web.held() == set()
    assert await web.replies.sweep(10, 60) == [sending.event_id]
    again = await web.replies.lease(sending.event_id, new_lease_token())
    assert again
    assert (again.attempt, again.unknown) == (2, True)


async def test_abandoning_with_an_old_token_takes_nothing_from_the_new_sender(web: Desk) -> None:
    old = await sent(web)
    await web.replies.abandon(old.event_id, old.token)
    await web.replies.lease(old.event_id, new_lease_token())
    before = await web.everything()

    await web.replies.abandon(old.event_id, old.token)

    assert await web.everything() == before


async def test_a_due_reply_is_named_once_a_while(web: Desk) -> None:
    event_id = await pending(web)
    await web.redis.zadd("{bridge}:due_replies", {event_id: 1})

    assert await web.replies.sweep(10, 60) == [event_id]
    assert await web.replies.sweep(10, 60) == []


async def test_a_reply_that_is_gone_is_due_no_more(web: Desk) -> None:
    event_id = await pending(web)
    await web.redis.zadd("{bridge}:due_replies", {event_id: 1})
    await web.redis.delete(f"{{bridge}}:reply:{event_id}")

    await web.replies.sweep(10, 60)

    assert await web.redis.exists("{bridge}:due_replies") == 0


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_hostile_ids_send_and_settle_nothing(web: Desk, text: str) -> None:
    sending = await sent(web)
    before = await web.everything()

    assert await web.replies.lease(EventId(text), new_lease_token()) is None
    assert not await web.replies.settle(
        replace(sending, event_id=EventId(text)), ReplyStatus.DELIVERED
    )
    assert not await web.replies.settle(
        replace(sending, token=LeaseToken(text)), ReplyStatus.DELIVERED
    )
    await web.replies.abandon(text, text)
    assert await web.everything() == before


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_a_failure_is_told_as_it_was_given(web: Desk, text: str) -> None:
    sending = await sent(web)

    await web.replies.settle(sending, ReplyStatus.DEAD, failure=text)

    event = await web.events.read(sending.event_id)
    assert event
    assert (event.reply.last_failure or "") == text.encode(errors="replace").decode()
