"""Alerts on record: when a rule fires, when it is over, and who tells a receiver what."""

import asyncio
import json
from dataclasses import replace
from os import fsdecode

import pytest

from bridge.models import LeaseToken, ProcessId
from bridge.store.alerts import AlertMessage, AlertReading, AlertStore
from bridge.store.keys import PREFIX
from bridge.verbs.alerts import event_of
from tests.store.records import WEB, WORKER, Desk

HOLDS = AlertReading(
    rule="waits",
    place="support/ticket",
    id="alt_1",
    holds=True,
    for_ms=0,
    repeat_ms=0,
    to=("people",),
    value=7,
    said='{"sentence": "it waits"}',
)
OVER = replace(HOLDS, holds=False, value=0)
FIRST, SECOND = LeaseToken("first"), LeaseToken("second")


@pytest.fixture
async def alerts(web: Desk) -> AlertStore:
    store = AlertStore(web.steps, WEB)
    await web.processes.beat()
    assert (await store.lead()).leads
    return store


async def judged(alerts: AlertStore, *readings: AlertReading, unread: tuple[str, ...] = ()) -> str:
    return " ".join(change.what for change in await alerts.judge(readings, unread))


async def told(alerts: AlertStore, receiver: str = "people") -> list[AlertMessage]:
    """Take all that a receiver is to be told."""
    messages: list[AlertMessage] = []
    while message := await alerts.take(receiver, LeaseToken(f"t{len(messages)}"), 10):
        messages.append(message)
        await alerts.taken(receiver, message.id)
    return messages


async def test_what_holds_is_told_once_and_once_when_it_is_over(alerts: AlertStore) -> None:
    assert await judged(alerts, HOLDS) == "firing"
    assert await judged(alerts, replace(HOLDS, id="alt_2")) == ""
    assert await judged(alerts, OVER) == "resolved"
    assert await judged(alerts, OVER) == ""

    firing, resolved = await told(alerts)

    assert (firing.id, firing.what, firing.said) == (
        "alt_1_firing_1",
        "firing",
        {"sentence": "it waits"},
    )
    assert (resolved.id, resolved.what, resolved.value) == ("alt_1_resolved", "resolved", 0)
    assert firing.since_ms == resolved.since_ms <= firing.at_ms


async def test_many_that_judge_at_once_have_one_message_sent(alerts: AlertStore) -> None:
    found = await asyncio.gather(*(judged(alerts, HOLDS) for _ in range(20)))
    assert sorted(found)[-2:] == ["", "firing"]
    assert len(await told(alerts)) == 1


async def test_what_does_not_hold_for_long_enough_is_not_told(
    alerts: AlertStore, web: Desk
) -> None:
    slow = replace(HOLDS, for_ms=60_000)
    assert await judged(alerts, slow) == ""
    assert [state.fired_at_ms for state in await alerts.states()] == [None]
    assert await judged(alerts, replace(slow, holds=False)) == ""
    assert await alerts.states() == []
    assert await told(alerts) == []


async def test_what_nobody_looked_at_meanwhile_begins_to_hold_anew(
    alerts: AlertStore, web: Desk
) -> None:
    slow = replace(HOLDS, for_ms=60_000)
    await judged(alerts, slow)
    await age(web, "since", "seen_at")
    assert await judged(alerts, slow) == ""
    await age(web, "since")
    assert await judged(alerts, slow) == "firing"


async def test_what_goes_on_is_told_again_after_its_time(alerts: AlertStore, web: Desk) -> None:
    again = replace(HOLDS, repeat_ms=60_000)
    await judged(alerts, again)
    await judged(alerts, again)
    await age(web, "told_at")
    await judged(alerts, again)
    assert [message.id for message in await told(alerts)] == ["alt_1_firing_1", "alt_1_firing_2"]


async def test_a_rule_that_cannot_be_read_stays_as_it_is_and_one_that_is_gone_is_over(
    alerts: AlertStore,
) -> None:
    await judged(alerts, HOLDS)
    assert await judged(alerts, unread=("waits",)) == ""
    assert await judged(alerts) == "resolved"
    assert await alerts.states() == []


async def test_the_end_of_what_is_looked_at_no_more_says_why(alerts: AlertStore) -> None:
    other = replace(HOLDS, id="alt_2", place="support/other")
    await judged(alerts, HOLDS, other)
    await alerts.judge([], [], {("waits", "support/ticket"): "the rule was removed"})
    ended = {each.place: each for each in await told(alerts) if each.what == "resolved"}
    said = event_of(ended["support/ticket"], "http://bridge")
    assert said["sentence"] == "no longer looked at, for the rule was removed: it waits"
    assert said["value"] is None
    assert event_of(ended["support/other"], "http://bridge")["sentence"] == "over: it waits"


async def test_only_who_has_the_turn_judges(alerts: AlertStore, web: Desk) -> None:
    other = AlertStore(web.steps, WORKER)
    turn = await other.lead()
    assert not turn.leads
    assert turn.since == (await alerts.lead()).since
    assert await judged(other, HOLDS) == ""
    assert await alerts.states() == []


async def test_each_receiver_is_told_and_one_sender_at_a_time_does_so(
    alerts: AlertStore, web: Desk
) -> None:
    await judged(alerts, replace(HOLDS, to=("people", "ops")))
    other = AlertStore(web.steps, WORKER)

    message = await alerts.take("people", FIRST, 10)
    assert message
    assert await alerts.take("people", FIRST, 10) == message
    assert await other.take("people", SECOND, 10) is None
    assert await other.take("ops", SECOND, 10)


async def test_what_a_dead_process_was_sending_is_for_another_at_once(
    alerts: AlertStore, web: Desk
) -> None:
    await judged(alerts, HOLDS)
    message = await alerts.take("people", FIRST, 3600)
    await web.processes.leave()
    again = await AlertStore(web.steps, WORKER).take("people", SECOND, 10)
    assert message
    assert again == replace(message, attempt=2)


async def test_a_refused_message_waits_and_keeps_the_later_ones_behind_it(
    alerts: AlertStore, web: Desk
) -> None:
    await judged(alerts, HOLDS)
    await judged(alerts, OVER)
    message = await alerts.take("people", FIRST, 10)
    assert message
    assert await alerts.refused("people", FIRST, message.id, "it answers 500", 60) == "again"
    assert await alerts.refused("people", FIRST, message.id, "late", 60) == "lost"
    assert await alerts.take("people", SECOND, 10) is None
    (stand,) = await alerts.receivers(["people"])
    assert (stand.waiting, stand.failure, stand.delivered_at) == (2, "it answers 500", None)

    await web.redis.hset(f"{PREFIX}alert_receiver:people", "due_at", 0)
    assert [each.what for each in await told(alerts)] == ["firing", "resolved"]
    (stand,) = await alerts.receivers(["people"])
    assert (stand.waiting, stand.failure) == (0, None)
    assert stand.delivered_at


async def test_a_message_that_nobody_took_for_a_day_is_given_up(
    alerts: AlertStore, web: Desk
) -> None:
    await judged(alerts, HOLDS)
    outbox = f"{PREFIX}alert_outbox:people"
    old = fsdecode(await web.redis.lindex(outbox, 0) or "")
    at = old.partition('"at":')[2].partition(",")[0].rstrip("}")
    await web.redis.lset(outbox, 0, old.replace(f'"at":{at}', '"at":1'))
    message = await alerts.take("people", FIRST, 10)
    assert message
    assert await alerts.refused("people", FIRST, message.id, "gone", 1) == "given_up"
    assert await alerts.take("people", SECOND, 10) is None


async def test_the_newest_thousand_messages_wait_for_a_receiver(
    alerts: AlertStore, web: Desk
) -> None:
    many = [replace(HOLDS, place=str(number), id=f"alt_{number}") for number in range(1005)]
    await judged(alerts, *many)
    (stand,) = await alerts.receivers(["people"])
    assert stand.waiting == 1000


async def test_a_heartbeat_is_sent_by_one_process_each_time(alerts: AlertStore, web: Desk) -> None:
    other = AlertStore(web.steps, ProcessId("worker-2"))
    beats = await asyncio.gather(alerts.beat(60), other.beat(60), alerts.beat(60))
    assert [bool(beat) for beat in beats] == [True, False, False]
    await web.redis.decrby(f"{PREFIX}heartbeat", 61_000)
    assert await other.beat(60)
    assert await alerts.beat(60) is None


async def test_a_clock_that_is_set_back_keeps_nothing_silent(alerts: AlertStore, web: Desk) -> None:
    assert await alerts.beat(60)
    await web.redis.incrby(f"{PREFIX}heartbeat", 3_600_000)
    assert await alerts.beat(60)
    assert await alerts.beat(60) is None

    slow = replace(HOLDS, for_ms=60_000, repeat_ms=60_000)
    await judged(alerts, slow)
    await age(web, "since", minutes=-60)
    await judged(alerts, slow)
    await age(web, "since")
    assert await judged(alerts, slow) == "firing"
    await age(web, "told_at", minutes=-60)
    await judged(alerts, slow)
    await age(web, "told_at")
    await judged(alerts, slow)
    message = await alerts.take("people", FIRST, 10)
    assert message
    await alerts.refused("people", FIRST, message.id, "it answers 500", 60)
    assert await told(alerts) == []
    row = f"{PREFIX}alert_receiver:people"
    await web.redis.hincrby(row, "failed_at", 3_600_000)
    await web.redis.hincrby(row, "due_at", 3_600_000)
    assert [each.id for each in await told(alerts)] == ["alt_1_firing_1", "alt_1_firing_2"]


async def age(web: Desk, *moments: str, minutes: int = 1) -> None:
    """Have what the one state tells of have been so much earlier, and a little more."""
    name = f"{PREFIX}alerts"
    ((field, row),) = (await web.redis.hgetall(name)).items()
    state = json.loads(row)
    for moment in moments:
        state[moment] -= minutes * 61_000
    await web.redis.hset(name, field, json.dumps(state))
