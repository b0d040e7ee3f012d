"""Events, and the replies to them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import httpx2

from tests.doors.by_hand import N8N, authorization, call
from tests.upgrade.desk import PATIENCE_S
from tests.upgrade.scenario import Scenario, Stage
from tests.upgrade.server_file import DEFAULT_REPLY, RATE
from tests.waiting import wait_until

Act = AsyncGenerator[None, None]
YES = {"yes": True}


async def a_queued_event_is_taken_and_answered(stage: Stage) -> Act:
    question = await stage.before.ask("queued", {"n": 1})
    yield
    event = await stage.after.take("queued")
    assert (event["event_id"], event["attempt"]) == (question.event_id, 1)
    assert event["payload"] == {"n": 1}
    await stage.after.reply(event, YES)
    await stage.after.replied(question, YES)


async def a_lease_is_good_to_answer_with(stage: Stage) -> Act:
    taking = asyncio.create_task(stage.before.take("leased"))
    await wait_until(lambda: stage.before.has_takers("leased"), "a taker", PATIENCE_S)
    question = await stage.before.ask("leased")
    event = await taking
    right = {"event_id": event["event_id"], "lease": event["lease"]}
    yield
    assert (await stage.after.event(question.event_id))["status"] == "leased"
    await stage.after.use("extend_event", **right, seconds=600)
    await stage.after.reply(event, YES)
    await stage.after.replied(question, YES)


async def a_lease_is_good_to_give_back_with(stage: Stage) -> Act:
    event_id = await stage.before.sent("unanswered", {"n": 1})
    event = await stage.before.take("unanswered")
    right = {"event_id": event["event_id"], "lease": event["lease"]}
    yield
    await stage.after.use("release_event", **right, reason="not mine")
    again = await stage.after.take("unanswered")
    assert (again["event_id"], again["attempt"]) == (event_id, 2)


async def an_answered_event_is_known_as_answered(stage: Stage) -> Act:
    question = await stage.before.ask("answered")
    event = await stage.before.take("answered")
    await stage.before.reply(event, YES)
    await stage.before.replied(question, YES)
    yield
    told = await stage.after.event(question.event_id)
    assert (told["status"], told["reply"]["value"]) == ("answered", YES)
    await stage.after.replied(question, YES)


async def a_reply_that_no_worker_has_sent_is_delivered(stage: Stage) -> Act:
    question = await stage.before.ask("undelivered")
    event = await stage.before.take("undelivered")
    await stage.before.reply(event, YES)
    yield
    await stage.after.replied(question, YES)


async def a_reply_that_was_being_sent_is_sent_again(stage: Stage) -> Act:
    address = f"{stage.other_n8n.url}/webhook-waiting/1/reply?signature=x"
    event_id = await stage.before.sent("being-sent", "?", bridge_reply_url=address)
    await stage.before.reply(await stage.before.take("being-sent"), YES)
    await wait_until(lambda: stage.other_n8n.requests, "the reply is being sent", PATIENCE_S)
    yield
    await stage.after.reply_is(event_id, "delivered")
    assert len(stage.other_n8n.requests) == 2


async def a_reply_that_died_can_be_sent_again(stage: Stage) -> Act:
    question = await stage.before.ask("refused")
    fault = {"path": f"/webhook-waiting/{question.execution_id}/reply", "kind": "status"}
    control = f"{stage.before.bridge.n8n_url}/standin/faults"
    await stage.before.http.post(control, json=fault | {"status": 401})
    event = await stage.before.take("refused")
    await stage.before.reply(event, YES)
    await stage.before.reply_is(question.event_id, "dead")
    yield
    told = await stage.after.event(question.event_id)
    assert (told["reply"]["status"], told["reply"]["attempts"]) == ("dead", 1)
    await stage.after.redrive(question.event_id)
    await stage.after.replied(question, YES)


async def a_key_stands_for_its_event(stage: Stage) -> Act:
    first = await stage.before.sent("repeated", {"n": 1}, idempotency_key="one")
    yield
    again = await stage.after.send("repeated", {"n": 1}, idempotency_key="one")
    assert (again.status_code, again.json()["event_id"]) == (200, first)
    assert again.json()["duplicate"]
    other = await stage.after.send("repeated", {"n": 2}, idempotency_key="one")
    assert other.status_code == 409


async def an_event_that_was_put_off_comes_back(stage: Stage) -> Act:
    event_id = await stage.before.sent("put-off", {"n": 1})
    event = await stage.before.take("put-off")
    right = {"event_id": event["event_id"], "lease": event["lease"]}
    await stage.before.use("release_event", **right, delay_seconds=4)
    yield
    again = await stage.after.take("put-off")
    assert (again["event_id"], again["attempt"]) == (event_id, 2)


async def a_dead_event_can_be_put_back(stage: Stage) -> Act:
    event_id = await stage.before.sent("set-aside", {"n": 1})
    event = await stage.before.take("set-aside")
    right = {"event_id": event["event_id"], "lease": event["lease"]}
    await stage.before.use("release_event", **right, dead=True, reason="broken")
    yield
    assert (await stage.after.event(event_id))["status"] == "dead"
    await stage.after.redrive(event_id)
    assert (await stage.after.take("set-aside"))["event_id"] == event_id


async def files_of_an_event_are_read(stage: Stage) -> Act:
    url = f"{stage.before.origin}/hooks/{stage.before.server}/with-files"
    files = [("doc", ("paper.txt", b"All of it.", "text/plain"))]
    sent = await stage.before.http.post(url, files=files, headers=authorization(N8N))
    yield
    event_id = sent.json()["event_id"]
    told = await stage.after.use("read_event", event_id=event_id, path="/files/0")
    assert told["text"] == "All of it."


async def lists_go_on_from_a_cursor(stage: Stage) -> Act:
    sent = [await stage.before.sent("listed", {"n": n}) for n in range(3)]
    first = await stage.before.use("list_events", hook="listed", limit=1)
    yield
    rest = await stage.after.use("list_events", hook="listed", cursor=first["next_cursor"])
    listed = [event["event_id"] for event in first["events"] + rest["events"]]
    assert listed == sent


async def requests_about_one_thing_are_merged(stage: Stage) -> Act:
    event_id = await stage.before.sent("merged", {"id": 7, "n": 1})
    yield
    merged = await stage.after.send("merged", {"id": 7, "n": 2})
    assert merged.json()["event_id"] == event_id
    event = await stage.after.take("merged")
    assert (event["event_id"], event["payload"]["n"]) == (event_id, 2)


async def a_rate_counts_what_came_before(stage: Stage) -> Act:
    for n in range(RATE - 1):
        await stage.before.sent("limited", {"n": n})
    yield
    await stage.after.sent("limited", {"n": RATE})
    assert (await stage.after.send("limited", {"n": RATE + 1})).status_code == 429


async def an_event_whose_time_is_over_gets_its_default_reply(stage: Stage) -> Act:
    question = await stage.before.ask("expiring")
    yield
    await stage.after.replied(question, DEFAULT_REPLY)
    assert (await stage.after.event(question.event_id))["status"] == "expired"


async def who_waits_at_one_is_given_what_the_other_accepts(stage: Stage) -> Act:
    """The one that waits has a place in the line; if its process dies, that must be nobody's."""
    wish = call("take_event", hook="awaited", wait_seconds=PATIENCE_S)
    waiting = asyncio.create_task(stage.before.answer(wish))
    await wait_until(lambda: stage.before.has_takers("awaited"), "a taker", PATIENCE_S)
    yield
    question = await stage.after.ask("awaited")
    taken: dict[str, object] = {}
    with contextlib.suppress(httpx2.TransportError):
        taken = (await waiting)["result"]["structuredContent"]
    event = taken or await stage.after.take("awaited")
    assert (event["event_id"], event["attempt"]) == (question.event_id, 1)
    await stage.after.reply(event, YES)
    await stage.after.replied(question, YES)


async def a_request_that_is_held_open_gets_its_reply_once(stage: Stage) -> Act:
    """Where its process dies, the reply goes to the address; else it comes with the answer."""
    parked = await stage.before.bridge.park("reply", "again")
    headers = {"prefer": "wait=60", "bridge_reply_url": parked["replyUrl"], "idempotency_key": "k"}
    holding = asyncio.create_task(stage.before.send("held-open", "?", **headers))
    await wait_until(lambda: stage.before.has_events("held-open"), "the event", PATIENCE_S)
    yield
    event = await stage.after.take("held-open")
    await stage.after.reply(event, YES)
    answers = []
    with contextlib.suppress(httpx2.TransportError):
        answers = [(await holding).json()["reply"]]
    await stage.after.reply_is(event["event_id"], "delivered")
    path = f"/webhook-waiting/{parked['id']}/reply"
    posted = [seen.body for seen in stage.after.bridge.n8n.seen.of(path) if seen.outcome == 200]
    assert answers + posted == [YES]
    again = await stage.after.send("held-open", "?", **headers)
    assert (again.status_code, again.json()["reply"]) == (200, YES)


SCENARIOS = (
    *(
        Scenario(act)
        for act in (
            a_queued_event_is_taken_and_answered,
            a_lease_is_good_to_answer_with,
            a_lease_is_good_to_give_back_with,
            an_answered_event_is_known_as_answered,
            a_reply_that_died_can_be_sent_again,
            a_key_stands_for_its_event,
            an_event_that_was_put_off_comes_back,
            a_dead_event_can_be_put_back,
            files_of_an_event_are_read,
            lists_go_on_from_a_cursor,
            requests_about_one_thing_are_merged,
            a_rate_counts_what_came_before,
            who_waits_at_one_is_given_what_the_other_accepts,
            a_request_that_is_held_open_gets_its_reply_once,
        )
    ),
    Scenario(a_reply_that_no_worker_has_sent_is_delivered, needs_no_worker=True),
    Scenario(a_reply_that_was_being_sent_is_sent_again, needs_deaths=True),
    Scenario(an_event_whose_time_is_over_gets_its_default_reply, needs_deaths=True),
)
