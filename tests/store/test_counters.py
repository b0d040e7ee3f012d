"""Totals: each change is counted once, in the step that makes it."""

import pytest

from bridge.models import CallStatus, ReplyStatus, new_lease_token
from bridge.store.counters import Counters
from tests.store.call_records import run_sent
from tests.store.records import ADDRESS, HOOK, SERVER, Desk, new_event


@pytest.fixture
def counters(web: Desk) -> Counters:
    return Counters(web.steps)


async def test_every_change_of_an_event_is_counted_once(web: Desk, counters: Counters) -> None:
    new = new_event(idempotency="key", lease_s=0)
    for _ in range(2):
        await web.events.accept(new)
    await web.take()
    await web.events.sweep()
    claim = await web.take()
    assert claim
    for _ in range(2):
        await web.events.release(claim, status="delayed", delay_s=0)
    await web.events.sweep()
    claim = await web.take()
    assert claim
    for _ in range(2):
        await web.events.answer(claim, b"1")

    totals = await counters.read([(SERVER, HOOK)])

    assert {name[3]: count for name, count in totals.counted.items()} == {
        "queued": 3,
        "leased": 3,
        "delayed": 1,
        "answered": 1,
    }
    assert set(totals.inboxes.values()) == {0}


async def test_only_the_end_of_a_reply_is_counted(web: Desk, counters: Counters) -> None:
    claim = await web.taken(reply_url=ADDRESS)
    await web.events.answer(claim, b"1")
    for status in (ReplyStatus.PENDING, ReplyStatus.DELIVERED):
        sending = await web.replies.lease(claim.event_id, new_lease_token())
        assert sending
        for _ in range(2):
            await web.replies.settle(sending, status)

    counted = (await counters.read([])).counted

    assert [item for item in counted.items() if item[0][0] == "replies"] == [
        (("replies", SERVER, HOOK, "delivered"), 1)
    ]


async def test_the_end_of_a_call_is_counted_with_the_time_it_took(
    web: Desk, counters: Counters
) -> None:
    finished, cancelled = await run_sent(web), await run_sent(web)
    key = f"{{bridge}}:call:{finished.call.call_id}"
    await web.redis.hset(key, "created_at", str(finished.call.created_at_ms - 5000))
    for _ in range(2):
        await web.runs.finish(finished, CallStatus.SUCCEEDED)
        await web.calls.cancel(cancelled.call.call_id, "")

    counted = (await counters.read([])).counted

    assert counted[("calls", SERVER, "parse", "succeeded")] == 1
    assert counted[("calls", SERVER, "parse", "cancelled")] == 1
    assert 5000 <= counted[("call_ms", SERVER, "parse")] < 15_000


async def test_what_is_there_right_now_is_told_beside_what_was_counted(
    web: Desk, worker: Desk, counters: Counters
) -> None:
    await web.accept()
    await web.taken(hook="other")
    await worker.redis.zadd("{bridge}:processes", {worker.process: 1})

    totals = await counters.read([(SERVER, HOOK), (SERVER, "other")])

    assert (totals.due_calls, totals.due_replies, totals.live_processes) == (0, 0, 1)
    assert {place: size for place, size in totals.inboxes.items() if size} == {
        (SERVER, HOOK, "leased"): 1,
        (SERVER, "other", "queued"): 1,
    }
