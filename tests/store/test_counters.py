"""Totals: each change is counted once, in the step that makes it."""

import re

import pytest

from bridge.models import CallStatus, ReplyStatus, new_lease_token
from bridge.store.counters import Counters
from bridge.store.keys import PREFIX
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

    assert {name[3]: count for name, count in totals.counted.totals.items()} == {
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

    counted = (await counters.read([])).counted.totals

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

    assert counted.totals["calls", SERVER, "parse", "succeeded"] == 1
    assert counted.totals["calls", SERVER, "parse", "cancelled"] == 1
    assert 5000 <= counted.totals["call_ms", SERVER, "parse"] < 15_000
    durations = counted.histograms["call", SERVER, "parse"]
    assert durations.classes[13] == 1, "more than 4.096 s and at most 8.192 s"
    assert durations.count == 2
    assert counted.attempts[SERVER, "parse"] == {1: 2}


async def test_how_old_an_event_was_when_it_was_taken_and_how_long_it_was_held_is_counted(
    web: Desk, counters: Counters
) -> None:
    event = await web.accept()
    key, inbox = f"{PREFIX}event:{event.event_id}", f"{PREFIX}inbox:{SERVER}:{HOOK}:queued"
    await web.redis.hset(key, "order", event.order - 60_000_000)
    await web.redis.zadd(inbox, {event.event_id: event.order - 60_000_000})
    claim = await web.take()
    assert claim
    lines = str(await web.redis.hget(key, "timeline"), "utf-8")  # type: ignore[arg-type]
    earlier = re.sub(r'"at":(\d+)', lambda at: f'"at":{int(at[1]) - 3000}', lines)
    await web.redis.hset(key, "timeline", earlier)
    for _ in range(2):
        await web.events.answer(claim, b"1")

    counted = (await counters.read([])).counted

    assert counted.histograms["queue", SERVER, HOOK].classes == {16: 1}, "65.536 s at most"
    assert counted.histograms["lease", SERVER, HOOK].classes == {12: 1}, "4.096 s at most"
    assert counted.totals["events", SERVER, HOOK, "leased"] == 1
    assert counted.totals["events", SERVER, HOOK, "answered"] == 1


async def test_what_an_earlier_version_counted_without_its_time_is_counted_along(
    web: Desk, counters: Counters
) -> None:
    earlier = {
        f"events|{SERVER}|{HOOK}|leased": 5,
        f"calls|{SERVER}|parse|succeeded": 3,
        f"call_ms|{SERVER}|parse": 9000,
    }
    for name, total in earlier.items():
        await web.redis.hset(f"{PREFIX}counters", name, total)
    finished = await run_sent(web)
    await web.runs.finish(finished, CallStatus.SUCCEEDED)
    await web.taken()

    counted = (await counters.read([])).counted

    assert counted.totals["events", SERVER, HOOK, "leased"] == 6
    assert counted.totals["calls", SERVER, "parse", "succeeded"] == 4
    assert counted.histograms["call", SERVER, "parse"].count == 4
    assert counted.histograms["queue", SERVER, HOOK].count == 1


async def test_the_age_of_the_oldest_and_the_calls_that_run_and_wait_are_told(
    web: Desk, counters: Counters
) -> None:
    event = await web.accept()
    inbox = f"{PREFIX}inbox:{SERVER}:{HOOK}:queued"
    await web.redis.zadd(inbox, {event.event_id: event.order - 60_000_000})
    await run_sent(web)

    totals = await counters.read([(SERVER, HOOK), (SERVER, "other")], [(SERVER, "parse")])

    assert 60 <= totals.oldest_s[SERVER, HOOK] < 120
    assert totals.oldest_s[SERVER, "other"] == 0
    assert totals.calls == {(SERVER, "parse"): (1, 0)}
    assert totals.memory["used_memory"] > 0


async def test_what_is_there_right_now_is_told_beside_what_was_counted(
    web: Desk, worker: Desk, counters: Counters
) -> None:
    await web.accept()
    await web.taken(hook="other")
    await worker.redis.zadd("{bridge}:processes", {worker.process: 1})

    totals = await counters.read([(SERVER, HOOK), (SERVER, "other")])

    assert (totals.due_calls, totals.due_replies) == (0, 0)
    assert totals.live_processes == (web.process,)
    assert {place: size for place, size in totals.inboxes.items() if size} == {
        (SERVER, HOOK, "leased"): 1,
        (SERVER, "other", "queued"): 1,
    }
