"""What time alone does to events: leases run out, delays end, deadlines pass."""

import pytest

from bridge.models import EventStatus, ReplyStatus, new_lease_token
from bridge.store.events import SWEEP_LIMIT
from tests.store.records import ADDRESS, ALICE, SERVER, Desk, wish


async def test_an_event_whose_lease_ran_out_is_queued_in_its_old_place(web: Desk) -> None:
    late = await web.taken(lease_s=0)
    await web.accept()

    await web.events.sweep()

    assert await web.status(late.event_id) is EventStatus.QUEUED
    assert await web.held() == set()
    again = await web.take()
    assert again
    assert again.event_id == late.event_id


async def test_a_lease_that_still_holds_is_left_alone(web: Desk) -> None:
    held = await web.taken(lease_s=60)
    before = await web.everything()

    assert await web.events.sweep() == 0
    assert await web.everything() == before
    assert await web.status(held.event_id) is EventStatus.LEASED


async def test_an_event_is_dead_after_its_last_lease_ran_out(web: Desk) -> None:
    event = await web.accept(lease_s=0, max_attempts=3)

    for attempt in (1, 2, 3):
        found = await web.claims.take(wish(), ALICE, new_lease_token())
        assert found
        assert found[0].attempt == attempt
        await web.events.sweep()

    dead = await web.events.read(event.event_id)
    assert dead
    assert (dead.status, dead.attempt) == (EventStatus.DEAD, 3)
    assert dead.reason == "every attempt ran out its lease"
    assert await web.take() is None


async def test_sweeping_again_changes_nothing(web: Desk) -> None:
    await web.taken(lease_s=0)
    await web.taken(answer_within_s=0, default_reply="1", reply_url=ADDRESS)
    await web.events.sweep()
    before = await web.everything()

    assert await web.events.sweep() == 0
    assert await web.everything() == before


@pytest.mark.parametrize("is_taken", [True, False])
async def test_an_event_that_nobody_answers_in_time_expires(web: Desk, is_taken: bool) -> None:
    event = await web.accept(answer_within_s=0)
    if is_taken:
        await web.take()

    await web.events.sweep()

    expired = await web.events.read(event.event_id)
    assert expired
    assert (expired.status, expired.reason) == (EventStatus.EXPIRED, "nobody answered in time")
    assert (expired.reply.status, expired.reply.value) == (ReplyStatus.NONE, None)
    assert await web.take() is None
    assert await web.held() == set()
    assert await web.redis.exists("{bridge}:event_leases", "{bridge}:event_deadlines") == 0


async def test_a_delayed_event_expires_too(web: Desk) -> None:
    held = await web.taken(answer_within_s=0)
    await web.events.release(held, status="delayed", delay_s=60)

    await web.events.sweep()

    assert await web.status(held.event_id) is EventStatus.EXPIRED
    assert await web.redis.exists("{bridge}:event_leases") == 0


async def test_a_default_reply_is_sent_when_an_event_expires(web: Desk) -> None:
    event = await web.accept(answer_within_s=0, default_reply="null", reply_url=ADDRESS)

    await web.events.sweep()

    expired = await web.events.read(event.event_id)
    assert expired
    assert (expired.reply.status, expired.reply.value) == (ReplyStatus.PENDING, b"null")
    assert await web.replies.sweep(10, 60) == [event.event_id]
    sending = await web.replies.lease(event.event_id, new_lease_token())
    assert sending
    assert (sending.url, sending.value) == (ADDRESS, b"null")


async def test_a_default_reply_ages_from_the_moment_its_event_expired(web: Desk) -> None:
    event = await web.accept(answer_within_s=0, default_reply="1", reply_url=ADDRESS)
    await web.events.sweep()

    answered_at = await web.redis.hget(f"{{bridge}}:reply:{event.event_id}", "answered_at")

    assert answered_at
    assert int(answered_at) >= event.received_at_ms


async def test_a_default_reply_without_an_address_is_kept_to_be_read(web: Desk) -> None:
    event = await web.accept(answer_within_s=0, default_reply='{"a":1}')

    await web.events.sweep()

    expired = await web.events.read(event.event_id)
    assert expired
    assert (expired.reply.status, expired.reply.value) == (ReplyStatus.NONE, b'{"a":1}')
    assert await web.redis.exists("{bridge}:due_replies") == 0


async def test_an_answered_event_never_expires(web: Desk) -> None:
    held = await web.taken(answer_within_s=0, default_reply="1", reply_url=ADDRESS)
    await web.events.answer(held, b"2")

    await web.events.sweep()

    event = await web.events.read(held.event_id)
    assert event
    assert (event.status, event.reply.value) == (EventStatus.ANSWERED, b"2")


async def test_a_dead_event_stays_dead_and_its_sender_gets_the_default_at_the_deadline(
    web: Desk,
) -> None:
    held = await web.taken(answer_within_s=0, default_reply="1", reply_url=ADDRESS)
    await web.events.release(held, status="dead", reason="not for Claude")

    await web.events.sweep()

    event = await web.events.read(held.event_id)
    assert event
    assert (event.status, event.reason) == (EventStatus.DEAD, "not for Claude")
    assert (event.reply.status, event.reply.value) == (ReplyStatus.PENDING, b"1")
    assert await web.redis.exists("{bridge}:event_deadlines") == 0


async def test_a_dead_event_without_a_default_is_left_alone_at_its_deadline(web: Desk) -> None:
    held = await web.taken(answer_within_s=0, reply_url=ADDRESS)
    await web.events.release(held, status="dead", reason="not for Claude")

    await web.events.sweep()

    event = await web.events.read(held.event_id)
    assert event
    assert (event.status, event.reply.status) == (EventStatus.DEAD, ReplyStatus.NONE)


async def test_an_answer_after_the_default_went_out_is_too_late(web: Desk) -> None:
    held = await web.taken(lease_s=0, max_attempts=1, answer_within_s=600, default_reply="1")
    await web.events.sweep()
    assert await web.status(held.event_id) is EventStatus.DEAD
    await web.redis.zadd("{bridge}:event_deadlines", {held.event_id: 1})
    await web.events.sweep()

    assert await web.events.answer(held, b"2") == ("lost", "dead")

    event = await web.events.read(held.event_id)
    assert event
    assert event.reply.value == b"1"


async def test_one_sweep_takes_its_share_and_the_next_the_rest(web: Desk) -> None:
    for _ in range(SWEEP_LIMIT + 5):
        await web.accept(answer_within_s=0)

    assert await web.events.sweep() == SWEEP_LIMIT
    assert await web.events.sweep() == 5
    assert await web.events.sweep() == 0


async def test_what_is_gone_leaves_the_indexes_quietly(web: Desk) -> None:
    held = await web.taken(lease_s=0, answer_within_s=0)
    await web.redis.delete(f"{{bridge}}:event:{held.event_id}", f"{{bridge}}:reply:{held.event_id}")

    await web.events.sweep()

    assert await web.redis.exists("{bridge}:event_leases", "{bridge}:event_deadlines") == 0
    assert await web.redis.exists(f"{{bridge}}:event:{held.event_id}") == 0
    assert await web.redis.exists(f"{{bridge}}:inbox:{SERVER}:ticket:expired") == 0
