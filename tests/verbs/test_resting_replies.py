"""Replies to an n8n that is down rest, and go out when it is back."""

import logging
from os import fsdecode

import pytest

from bridge.models import EventId, ReplyStatus
from bridge.n8n.outcomes import Again, Delivered, ResumeOutcome
from bridge.n8n.reply_address import ReplyAddress
from bridge.runtime import Runtime
from bridge.store.breakers import FAILURES, OPEN_FIRST_S
from tests.verbs.desk import N8N, answered
from tests.verbs.test_delivering_replies import Sender, deliver, due_in_s

DOWN = Again("n8n's host refuses connections", is_down=True)
BREAKERS = "{bridge}:breakers"


async def bring_down(runtime: Runtime) -> list[EventId]:
    """Have as many replies fail as open the circuit."""
    ids = [await answered(runtime) for _ in range(FAILURES)]
    for event_id in ids:
        await deliver(runtime, event_id, DOWN)
    return ids


async def let_rest_end(runtime: Runtime) -> None:
    found = await runtime.redis.hget(BREAKERS, N8N)
    assert found
    ended = fsdecode(found).replace('"open_until":', '"open_until":1,"was":')
    await runtime.redis.hset(BREAKERS, N8N, ended)


async def test_while_n8n_is_down_nothing_is_sent_and_no_attempt_counted(
    web: Runtime, worker: Runtime
) -> None:
    await bring_down(web)
    event_id = await answered(web)
    send = Sender()

    await worker.workers.replies.deliver(event_id, send)

    reply = (await web.mcp.events.find("desk", event_id)).reply
    assert send.sent == []
    assert (reply.status, reply.attempts) == (ReplyStatus.PENDING, 0)
    assert reply.last_failure == "n8n has failed too often to be asked now"
    assert 0 < await due_in_s(web, event_id) <= OPEN_FIRST_S * 1.25
    assert await web.workers.replies.attempts(event_id) == []


async def test_what_failed_before_is_not_forgotten_while_a_reply_rests(web: Runtime) -> None:
    event_id, *_ = await bring_down(web)

    await web.workers.replies.deliver(event_id, Sender())

    reply = (await web.mcp.events.find("desk", event_id)).reply
    assert (reply.attempts, reply.last_failure) == (1, DOWN.reason)


async def test_one_reply_that_arrives_lets_all_go_again(web: Runtime) -> None:
    ids = await bring_down(web)
    await let_rest_end(web)

    for event_id in ids:
        assert (await deliver(web, event_id, Delivered())).status is ReplyStatus.DELIVERED

    assert await web.redis.exists(BREAKERS) == 0


async def test_only_one_reply_tries_whether_n8n_is_back(web: Runtime) -> None:
    first, second, *_ = await bring_down(web)
    await let_rest_end(web)
    nested = Sender()

    async def probe(*_: object) -> ResumeOutcome:
        await web.workers.replies.deliver(second, nested)
        return Delivered()

    await web.workers.replies.deliver(first, probe)

    assert nested.sent == []
    assert await due_in_s(web, second) <= 1.25


async def test_a_refusal_of_one_reply_says_nothing_of_the_others(web: Runtime) -> None:
    for _ in range(FAILURES * 2):
        await deliver(web, await answered(web), Again("n8n answered 403"))

    assert await web.redis.exists(BREAKERS) == 0


async def test_a_reply_whose_time_ends_while_n8n_rests_is_dead_with_the_reason(
    web: Runtime,
) -> None:
    event_id, *_ = await bring_down(web)
    await web.redis.hset(f"{{bridge}}:reply:{event_id}", "answered_at", "0")

    await web.workers.replies.deliver(event_id, Sender())

    reply = (await web.mcp.events.find("desk", event_id)).reply
    assert reply.status is ReplyStatus.DEAD
    assert (reply.last_failure or "").endswith(DOWN.reason)


async def test_opening_and_closing_are_logged_and_counted_once(
    web: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ids = await bring_down(web)
    totals = await web.stores.counters.read([])
    await let_rest_end(web)
    for event_id in ids:
        await deliver(web, event_id, Delivered())

    said = [record.message for record in caplog.records if "circuit" in record.message]
    assert said == ["reply.circuit_opened", "reply.circuit_closed"]
    assert totals.circuits == {N8N: True}
    assert totals.counted.totals["reply_circuits_opened", N8N] == 1
    assert (await web.stores.counters.read([])).circuits == {}


async def test_a_reply_to_an_origin_that_is_no_longer_allowed_is_dead_and_not_sent(
    web: Runtime,
) -> None:
    event_id = await answered(web)
    await web.redis.hset(
        f"{{bridge}}:reply:{event_id}", "url", "http://evil:1/webhook-waiting/1?signature=s3cr3t"
    )
    send = Sender()

    await web.workers.replies.deliver(event_id, send)

    reply = (await web.mcp.events.find("desk", event_id)).reply
    assert (send.sent, reply.status) == ([], ReplyStatus.DEAD)
    assert "http://evil:1" in (reply.last_failure or "")
    assert "s3cr3t" not in (reply.last_failure or "")


async def test_a_sender_is_told_how_long_it_may_take(web: Runtime) -> None:
    event_id = await answered(web)
    left: list[float] = []

    async def send(
        _address: ReplyAddress, _value: object, _event_id: EventId, timeout_s: float
    ) -> ResumeOutcome:
        left.append(timeout_s)
        return Delivered()

    await web.workers.replies.deliver(event_id, send)

    assert left == [pytest.approx(1000, abs=5)]
