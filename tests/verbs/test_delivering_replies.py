"""Delivering: what becomes of a reply after each answer of n8n."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bridge.errors import ConflictError, NotFoundError
from bridge.models import EventId, Json, Reply, ReplyStatus
from bridge.n8n.outcomes import (
    Again,
    AgainOnce,
    AgainSoon,
    Dead,
    Delivered,
    Finished,
    ResumeOutcome,
)
from bridge.n8n.reply_address import ReplyAddress
from bridge.runtime import Runtime
from bridge.verbs.record_search import RecordSearch
from tests.verbs.desk import ADDRESS, answered


class Sender:
    """Says what it was told to say, and remembers what it was asked to send."""

    def __init__(self, *outcomes: ResumeOutcome) -> None:
        self._outcomes = list(outcomes)
        self.sent: list[tuple[str, Json, EventId]] = []

    async def __call__(
        self, address: ReplyAddress, value: Json, event_id: EventId, _timeout_s: float
    ) -> ResumeOutcome:
        self.sent.append((address.origin + address.target, value, event_id))
        return self._outcomes.pop(0)


async def deliver(runtime: Runtime, event_id: EventId, *outcomes: ResumeOutcome) -> Reply:
    """Make an attempt for each outcome; returns the reply as it is then."""
    send = Sender(*outcomes)
    for _ in outcomes:
        await runtime.workers.replies.deliver(event_id, send)
    assert len(send.sent) == len(outcomes)
    return (await runtime.mcp.events.find("desk", event_id)).reply


async def due_in_s(runtime: Runtime, event_id: EventId) -> float:
    """Report when the next attempt is due."""
    due_at_ms = await runtime.redis.zscore("{bridge}:due_replies", event_id)
    assert due_at_ms is not None
    seconds, microseconds = await runtime.redis.time()
    return float(due_at_ms) / 1000 - seconds - microseconds / 1e6


async def test_a_reply_goes_to_its_address_with_the_id_of_its_event(web: Runtime) -> None:
    event_id = await answered(web, {"answer": [1, None, "🦀"]})
    send = Sender(Delivered())

    await web.workers.replies.deliver(event_id, send)

    assert send.sent == [(ADDRESS, {"answer": [1, None, "🦀"]}, event_id)]


async def test_a_reply_wakes_a_worker(web: Runtime) -> None:
    await answered(web)

    assert await web.workers.queue.length() == 1


@pytest.mark.parametrize(
    ("outcomes", "status", "failure"),
    [
        ([Delivered()], "delivered", None),
        ([Delivered("by hand")], "delivered", "by hand"),
        ([Dead("401")], "dead", "401"),
        ([Finished("has finished")], "dead", "has finished"),
        ([AgainSoon("is running"), Finished("has finished")], "dead", "has finished"),
        ([Again("503"), Finished("has finished")], "dead", "has finished"),
        ([Again("reset", unknown=True), Finished("409")], "delivered", "confirmed by 409"),
        (
            [Again("reset", unknown=True), AgainSoon("is running"), Finished("409")],
            "delivered",
            "confirmed by 409",
        ),
        (
            [Again("reset", unknown=True), Again("503"), Finished("409")],
            "delivered",
            "confirmed by 409",
        ),
        ([AgainOnce("code 0"), Finished("409")], "delivered", "confirmed by 409"),
        ([AgainSoon("is running"), Delivered()], "delivered", None),
    ],
)
async def test_the_answers_of_n8n_settle_a_reply(
    web: Runtime, outcomes: list[ResumeOutcome], status: str, failure: str | None
) -> None:
    event_id = await answered(web)

    reply = await deliver(web, event_id, *outcomes)

    assert (reply.status, reply.last_failure) == (status, failure)
    assert reply.attempts == len(outcomes)
    assert await web.redis.exists("{bridge}:due_replies") == 0


@pytest.mark.parametrize(
    ("outcome", "least_s", "most_s"),
    [
        (AgainSoon("is running"), 0, 0.2),
        (AgainOnce("code 0"), 0, 0.2),
        (Again("503"), 1, 3),
        (Again("reset", unknown=True), 1, 3),
    ],
)
async def test_a_reply_that_did_not_arrive_is_due_again(
    web: Runtime, outcome: ResumeOutcome, least_s: float, most_s: float
) -> None:
    event_id = await answered(web)

    reply = await deliver(web, event_id, outcome)

    assert reply.status is ReplyStatus.PENDING
    assert reply.last_failure
    assert least_s - 1 < await due_in_s(web, event_id) <= most_s


async def test_waits_between_attempts_grow_up_to_minutes(web: Runtime) -> None:
    event_id = await answered(web)

    await deliver(web, event_id, *[Again("503")] * 12)

    assert 200 < await due_in_s(web, event_id) <= 300


async def test_a_reply_whose_deadline_has_passed_is_not_sent(web: Runtime) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    event_id = await answered(web, deadline=past)
    send = Sender()

    await web.workers.replies.deliver(event_id, send)

    reply = (await web.mcp.events.find("desk", event_id)).reply
    assert send.sent == []
    assert reply.status is ReplyStatus.DEAD
    assert reply.last_failure
    assert "is over" in reply.last_failure


async def test_a_reply_before_its_deadline_is_sent(web: Runtime) -> None:
    future = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()

    reply = await deliver(web, await answered(web, deadline=future), Delivered())

    assert reply.status is ReplyStatus.DELIVERED


async def test_a_reply_is_given_up_after_its_time(web: Runtime) -> None:
    event_id = await answered(web)
    key = f"{{bridge}}:reply:{event_id}"
    answered_at = await web.redis.hget(key, "answered_at")
    assert answered_at
    await web.redis.hset(key, "answered_at", str(int(answered_at) - 1001 * 1000))

    await web.workers.replies.deliver(event_id, Sender())

    assert (await web.mcp.events.find("desk", event_id)).reply.status is ReplyStatus.DEAD


async def test_a_reply_that_is_too_late_says_what_failed_before(web: Runtime) -> None:
    event_id = await answered(web)
    await deliver(web, event_id, Again("n8n answered 503"))
    await web.redis.hset(f"{{bridge}}:reply:{event_id}", "answered_at", "0")

    await web.workers.replies.deliver(event_id, Sender())

    reply = (await web.mcp.events.find("desk", event_id)).reply
    assert reply.status is ReplyStatus.DEAD
    assert (reply.last_failure or "").endswith("the last failure was: n8n answered 503")


async def test_a_dead_reply_that_is_redriven_is_sent_and_may_arrive(web: Runtime) -> None:
    event_id = await answered(web)
    await deliver(web, event_id, Dead("401"))
    before = await web.workers.queue.length()

    assert await web.workers.replies.redrive(event_id) is ReplyStatus.PENDING

    assert await web.workers.queue.length() == before + 1
    assert (await deliver(web, event_id, Delivered())).status is ReplyStatus.DELIVERED
    assert [each.status for each in await web.workers.replies.attempts(event_id)] == [
        "dead",
        "delivered",
    ]


async def test_what_cannot_be_redriven_is_refused_with_the_reason(web: Runtime) -> None:
    event_id = await answered(web)
    await deliver(web, event_id, Delivered())
    with pytest.raises(ConflictError, match="this one is delivered"):
        await web.workers.replies.redrive(event_id)
    with pytest.raises(NotFoundError):
        await web.workers.replies.redrive(EventId("evt_none"))
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    late = await answered(web, deadline=past)
    await web.workers.replies.deliver(late, Sender())
    with pytest.raises(ConflictError, match="waits for the reply is over"):
        await web.workers.replies.redrive(late)
    dead = await web.web.records.replies(RecordSearch(statuses=(ReplyStatus.DEAD,)), 5)
    assert [each.event_id for each in dead.rows] == [late]
    assert (await web.web.health.totals([], [])).dead_replies == 1


async def test_two_who_deliver_at_once_send_once(web: Runtime, worker: Runtime) -> None:
    event_id = await answered(web)
    send = Sender(*[Delivered()] * 6)

    await asyncio.gather(
        *(each.workers.replies.deliver(event_id, send) for each in [web, worker] * 3)
    )

    assert len(send.sent) == 1


async def test_a_delivered_reply_is_sent_no_more(web: Runtime) -> None:
    event_id = await answered(web)
    await deliver(web, event_id, Delivered())

    send = Sender()
    await web.workers.replies.deliver(event_id, send)

    assert send.sent == []


async def test_an_attempt_that_breaks_off_may_have_arrived(web: Runtime) -> None:
    event_id = await answered(web)

    async def break_off(*_: object) -> ResumeOutcome:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await web.workers.replies.deliver(event_id, break_off)

    assert (await deliver(web, event_id, Finished("409"))).last_failure == "confirmed by 409"


async def test_no_log_tells_the_address_or_the_reply(
    web: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    event_id = await answered(web, "s3cret-reply")

    await deliver(web, event_id, Again("503"), Dead("401"))

    told = [str(record.__dict__) for record in caplog.records if record.name.startswith("bridge")]
    of_replies = [record for record in caplog.records if record.name == "bridge.verbs.replies"]
    assert [record.message for record in of_replies] == ["reply.attempted"] * 2
    assert not any("s3cret" in record or "webhook-waiting" in record for record in told)
