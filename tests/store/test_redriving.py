"""Redriving: what was set aside comes back as if it were new, with its history."""

import pytest
from redis.asyncio import Redis

from bridge.models import EventId
from bridge.store.operators import OperatorStore
from tests.store.records import ADDRESS, HOSTILE, Desk, new_event


@pytest.fixture
def operators(web: Desk) -> OperatorStore:
    return OperatorStore(web.steps)


async def expire(desk: Desk, redis: Redis, event_id: EventId) -> None:
    await redis.zadd("{bridge}:event_deadlines", {event_id: 1})
    await desk.events.sweep()


async def test_a_dead_event_has_all_its_attempts_and_its_time_before_it_again(
    web: Desk, operators: OperatorStore, redis: Redis
) -> None:
    held = await web.taken(max_attempts=1, answer_within_s=50, ttl_s=100)
    await web.events.release(held, status="dead", reason="cannot")
    await redis.expire(f"{{bridge}}:event:{held.event_id}", 5)
    await redis.expire(f"{{bridge}}:reply:{held.event_id}", 5)

    assert await operators.redrive(held.event_id, "wish") == ("redriven", "queued")

    event = await web.events.read(held.event_id)
    assert event
    assert (event.status, event.attempt, event.reason) == ("queued", 0, None)
    for family in ("event", "reply"):
        assert await redis.ttl(f"{{bridge}}:{family}:{held.event_id}") > 140
    again = await web.take()
    assert again
    assert again.event_id == held.event_id
    assert await web.events.answer(again, b"1") == ("answered", "none")


async def test_an_expired_event_waits_for_its_whole_time_again(
    web: Desk, operators: OperatorStore, redis: Redis
) -> None:
    event = await web.accept(answer_within_s=50)
    await expire(web, redis, event.event_id)

    assert await operators.redrive(event.event_id, "wish") == ("redriven", "queued")

    await web.events.sweep()
    assert await web.status(event.event_id) == "queued"
    assert await redis.zscore("{bridge}:event_deadlines", event.event_id)


async def test_an_event_whose_default_reply_is_on_its_way_stays_expired(
    web: Desk, operators: OperatorStore, redis: Redis
) -> None:
    event = await web.accept(reply_url=ADDRESS, default_reply="0")
    await expire(web, redis, event.event_id)

    assert await operators.redrive(event.event_id, "wish") == ("refused", "expired")


async def test_the_same_wish_again_moves_nothing_but_is_granted(
    web: Desk, operators: OperatorStore
) -> None:
    held = await web.taken()
    await web.events.release(held, status="dead")
    await operators.redrive(held.event_id, "wish")
    await web.take()

    assert await operators.redrive(held.event_id, "wish") == ("redriven", "leased")
    assert await operators.redrive(held.event_id, "other") == ("refused", "leased")


@pytest.mark.parametrize("event_id", HOSTILE)
async def test_an_id_that_nobody_gave_out_is_unknown(
    operators: OperatorStore, web: Desk, event_id: str
) -> None:
    before = await web.everything()
    assert await operators.redrive(EventId(event_id), "wish") == ("unknown", "")
    assert await web.everything() == before


async def test_hooks_and_callers_are_known_by_what_they_sent(
    web: Desk, operators: OperatorStore
) -> None:
    assert (await operators.hooks(), await operators.callers()) == ([], [])
    await web.accept()
    await web.accept(hook="letter")
    assert await operators.hooks() == [("support", "letter"), ("support", "ticket")]


async def test_an_operator_expires_what_is_not_settled_and_n8n_gets_the_default(
    web: Desk, operators: OperatorStore, redis: Redis
) -> None:
    held = await web.taken(reply_url=ADDRESS, default_reply="0")
    assert await operators.expire(held.event_id, "by ann") == ("expired", "expired")
    assert await operators.expire(held.event_id, "by ann") == ("refused", "expired")
    event = await web.events.read(held.event_id)
    assert event
    assert (event.reason, event.reply.status, event.reply.value) == ("by ann", "pending", b"0")
    assert await redis.zscore("{bridge}:event_deadlines", held.event_id) is None
    assert await web.events.answer(held, b"1") == ("lost", "expired")
    assert await operators.expire(EventId("evt_none"), "by ann") == ("unknown", "")


async def test_an_event_run_again_has_the_files_of_the_earlier_one(
    web: Desk, operators: OperatorStore, redis: Redis
) -> None:
    earlier = await web.accept(files=(b"one", b"two"))
    new = new_event(earlier.event_id.encode())
    event = await operators.again.event(earlier.event_id, "ann", new, has_files=True)
    for number, content in enumerate((b"one", b"two")):
        assert await web.events.read_file(event.event_id, number, 0, 9) == (content, 3)
        assert await redis.ttl(f"{{bridge}}:file:{event.event_id}:{number}") > 600
