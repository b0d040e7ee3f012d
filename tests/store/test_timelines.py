"""Timelines: each step that changes a record says so in it, and a long one keeps both its ends."""

import json

import pytest
from redis.asyncio import Redis

from bridge.models import CallStatus, LeaseToken, ReplyStatus, Timeline, new_call_id
from bridge.store.operators import OperatorStore
from tests.store.call_records import new_call
from tests.store.records import ADDRESS, Desk, new_event


@pytest.fixture
def operators(web: Desk) -> OperatorStore:
    return OperatorStore(web.steps)


def told(timeline: Timeline) -> list[str]:
    """Write a timeline without its times, a line each."""
    return [
        " ".join([moment.what, *(f"{name}={value}" for name, value in moment.said.items())])
        for moment in timeline.moments
    ]


async def test_an_events_timeline_tells_its_whole_life(
    web: Desk, worker: Desk, operators: OperatorStore, redis: Redis
) -> None:
    event = await web.accept(reply_url=ADDRESS, coalesce="one", coalesce_for_s=60)
    again = new_event(coalesce="one", coalesce_for_s=60)
    await web.events.accept(again)
    first = await web.take()
    assert first
    await web.events.extend(first, 90)
    await web.events.release(first, status="delayed", delay_s=5, reason="later")
    await redis.zadd("{bridge}:event_leases", {event.event_id: 1})
    await web.events.sweep()
    second = await web.take()
    assert second
    await redis.zadd("{bridge}:event_leases", {event.event_id: 1})
    await web.events.sweep()
    third = await web.take()
    assert third
    await web.events.answer(third, b"{}")
    for token, status, reason in (("a", "pending", "n8n is away"), ("b", "delivered", "")):
        sending = await worker.replies.lease(event.event_id, LeaseToken(token))
        assert sending
        await worker.replies.settle(sending, ReplyStatus(status), failure=reason)

    timeline = await operators.timeline_of_event(event.event_id)

    assert told(timeline) == [
        "accepted",
        f"merged request={again.event_id}",
        "taken attempt=1 by=alice",
        "extended by=alice seconds=90",
        "released by=alice delay_s=5 reason=later to=delayed",
        "due",
        "taken attempt=2 by=alice",
        "lapsed to=queued",
        "taken attempt=3 by=alice",
        "answered by=alice",
        "reply_tried attempt=1 status=pending reason=n8n is away",
        "reply_tried attempt=2 status=delivered",
    ]
    times = [moment.at_ms for moment in timeline.moments]
    assert times == sorted(times)
    assert (times[0], timeline.left_out) == (event.received_at_ms, 0)


async def test_a_calls_timeline_tells_its_whole_life(
    web: Desk, worker: Desk, operators: OperatorStore
) -> None:
    call_id = new_call_id()
    await web.calls.create(new_call(call_id=call_id, attach="same", attach_for_s=60, secret="s"))
    await web.calls.create(new_call(attach="same", attach_for_s=60))
    first = await worker.runs.lease(call_id, LeaseToken("first"))
    assert first
    assert await worker.runs.sent(first)
    assert await worker.runs.sent(first)
    await worker.runs.park(first, delay_s=2, ran=True, failure="n8n is away")
    second = await worker.runs.lease(call_id, LeaseToken("second"))
    assert second
    assert await worker.runs.sent(second)
    await web.calls.report(call_id, "s", 0.5, "half")
    await web.calls.report(call_id, "s", 0.5, "half")
    await worker.runs.finish(second, CallStatus.FAILED, failure="no")

    assert told(await operators.timeline_of_call(call_id)) == [
        "created",
        "joined",
        "started attempt=1 by=worker-1",
        "sent",
        "parked counted=True delay_s=2 reason=n8n is away",
        "started attempt=2 by=worker-1",
        "sent",
        "progress message=half progress=0.5",
        "failed reason=no",
    ]


async def test_a_dead_workers_call_says_who_held_it(
    web: Desk, worker: Desk, operators: OperatorStore
) -> None:
    call = await web.calls.create(new_call())
    running = await worker.runs.lease(call.call_id, LeaseToken("t"))
    assert running
    await worker.runs.abandon(call.call_id, "t")

    assert told(await operators.timeline_of_call(call.call_id))[-1] == "abandoned by=worker-1"


async def test_a_long_timeline_keeps_its_beginning_and_its_end(
    web: Desk, operators: OperatorStore
) -> None:
    held = await web.taken()
    for seconds in range(1, 101):
        await web.events.extend(held, seconds)

    timeline = await operators.timeline_of_event(held.event_id)

    seconds_told = [moment.said.get("seconds") for moment in timeline.moments]
    assert seconds_told == [None, None, *range(1, 20), *range(61, 101)]
    assert timeline.left_out == 41


@pytest.mark.parametrize("reason", ["🦀" * 500, "a\nb\u2028c", '"\\ \x00'])
async def test_a_reason_of_any_kind_is_told_up_to_its_bound(
    web: Desk, operators: OperatorStore, reason: str
) -> None:
    held = await web.taken()
    await web.events.release(held, status="dead", reason=reason)

    last = (await operators.timeline_of_event(held.event_id)).moments[-1]

    assert last.said["reason"] == reason.encode()[:300].decode(errors="ignore")


async def test_a_timeline_dies_with_its_record_and_is_never_born_after_it(
    web: Desk, worker: Desk, operators: OperatorStore, redis: Redis
) -> None:
    event = await web.accept(reply_url=ADDRESS)
    held = await web.take()
    assert held
    await web.events.answer(held, json.dumps("yes").encode())
    sending = await worker.replies.lease(event.event_id, LeaseToken("t"))
    assert sending
    await redis.delete("{bridge}:event:" + event.event_id)

    await worker.replies.settle(sending, ReplyStatus.DELIVERED)

    timeline = await operators.timeline_of_event(event.event_id)
    assert [moment.what for moment in timeline.moments] == ["reply_tried"]
    assert await redis.exists("{bridge}:event:" + event.event_id) == 0
