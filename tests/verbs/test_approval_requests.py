"""Hooks that are asked for approvals: an event, whose reply decides, of anybody but who asks."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bridge.configuration.current import Servers
from bridge.configuration.hooks import Coalesce, Limits
from bridge.configuration.server_options import Dedupe
from bridge.errors import ConflictError, LeaseLostError
from bridge.formats.payloads import Content
from bridge.models import (
    Call,
    CallStatus,
    Event,
    EventId,
    EventStatus,
    Json,
    LeaseRef,
    Principal,
    new_event_id,
)
from bridge.runtime import Runtime
from bridge.store.approvals import SETTLED, DueApproval
from bridge.verbs.approval_requests import ApprovalRequests
from bridge.verbs.intake import Incoming
from tests.apps import there
from tests.verbs.desk import ALICE, DESK, start
from tests.verbs.test_approving import attempt, digest_of, read

BOB = Principal("desk", "bob")


async def waiting(runtime: Runtime) -> list[str]:
    """Name the calls that wait for an approval."""
    return [each.call_id for each in await runtime.web.operators.approvals.waiting()]


async def look_after(requests: ApprovalRequests) -> None:
    """Have whoever sweeps look at what is due."""
    for due in await requests.due(10, 10):
        await requests.look(due)


async def due_now(worker: Runtime) -> list[DueApproval]:
    """Return what must be approved, as if all of it were due."""
    if found := await waiting(worker):
        await worker.redis.zadd("{bridge}:approvals", dict.fromkeys(found, 1))
    return await worker.workers.approvals.due(10, 10)


async def look(worker: Runtime) -> None:
    """Have whoever sweeps look at that."""
    for due in await due_now(worker):
        await worker.workers.approvals.look(due)


async def questions(web: Runtime) -> list[Event]:
    """List what asks on the hook."""
    return await web.stores.events.listed("desk", ["letter"], EventStatus.QUEUED, 0, 10)


async def asked(web: Runtime, worker: Runtime, **arguments: Any) -> tuple[Call, Event]:
    """Have a call for which a hook is asked; returns it and the event."""
    call = await start(web, "by_hook", **arguments)
    await look(worker)
    (event,) = await web.stores.events.listed("desk", ["letter"], EventStatus.QUEUED, 0, 10)
    return call, event


async def take(web: Runtime, principal: Principal = BOB) -> LeaseRef:
    taken = await web.mcp.takers.take(DESK, principal, "letter", 0, there)
    assert taken
    return LeaseRef(taken.event.event_id, taken.token, principal)


async def status_of(web: Runtime, event_id: EventId) -> tuple[EventStatus, str | None]:
    event = await web.mcp.events.find("desk", event_id)
    return event.status, event.reason


async def test_the_event_says_what_is_to_be_approved_and_is_made_once(
    web: Runtime, worker: Runtime
) -> None:
    call, event = await asked(web, worker, n=1)
    await look(worker)
    events = await web.stores.events.listed("desk", ["letter"], EventStatus.QUEUED, 0, 10)
    assert [each.event_id for each in events] == [event.event_id]
    payload = await web.mcp.events.read("desk", event.event_id, "")
    assert isinstance(payload, dict)
    assert (payload["workflow"], payload["arguments"]) == ("by_hook", {"n": 1})
    assert (payload["asked_by"], payload["digest"]) == ("alice", digest_of(call))
    assert (await attempt(worker, call)).asked == []


async def test_its_reply_approves(web: Runtime, worker: Runtime) -> None:
    call, _ = await asked(web, worker, n=1)
    reply: Json = {"approved": True, "reason": "go on"}
    await web.mcp.events.reply(DESK, await take(web), reply)
    await look_after(worker.workers.approvals)

    found = await read(web, call.call_id)
    assert found.approval
    assert (found.approval.by, found.approval.reason) == ("bob", "go on")
    assert len((await attempt(worker, call)).asked) == 1


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        ({"approved": False, "reason": "no"}, "refused by bob: no"),
        ({"approved": False}, "refused by bob"),
        ({"approved": "true"}, "refused by bob: the reply does not say `approved: true`"),
        ({"approved": 1}, "refused by bob: the reply does not say `approved: true`"),
        ("approved", "refused by bob: the reply does not say `approved: true`"),
        (None, "refused by bob: the reply does not say `approved: true`"),
        ([True], "refused by bob: the reply does not say `approved: true`"),
    ],
)
async def test_any_other_reply_refuses(
    web: Runtime, worker: Runtime, reply: Any, failure: str
) -> None:
    call, _ = await asked(web, worker)
    await web.mcp.events.reply(DESK, await take(web), reply)
    await look_after(worker.workers.approvals)
    found = await read(web, call.call_id)
    assert (found.status, found.failure) == (CallStatus.FAILED, failure)
    assert (await attempt(worker, call)).asked == []


async def test_who_has_made_the_call_cannot_answer(web: Runtime, worker: Runtime) -> None:
    call, event = await asked(web, worker)
    held = await take(web, ALICE)
    with pytest.raises(ConflictError, match="who asks for a call cannot approve it"):
        await web.mcp.events.reply(DESK, held, {"approved": True})
    await look(worker)
    assert (await read(web, call.call_id)).unapproved
    await web.mcp.events.release(held, reason="not mine", delay_s=0, dead=False)
    await web.mcp.events.reply(DESK, await take(web), {"approved": True})
    assert (await status_of(web, event.event_id))[0] is EventStatus.ANSWERED


async def test_an_answer_of_who_has_made_the_call_that_was_taken_all_the_same_ends_it(
    web: Runtime, worker: Runtime
) -> None:
    """As by a web process of a version that knows of no approvals."""
    call, event = await asked(web, worker)
    key = f"{{bridge}}:call:{call.call_id}"
    held = await take(web, ALICE)
    await web.redis.hset(key, "approval_event", "evt_other")
    await web.mcp.events.reply(DESK, held, {"approved": True})
    await web.redis.hset(key, "approval_event", event.event_id)
    await look(worker)
    assert (await read(web, call.call_id)).failure == "nobody approved it but alice"
    assert (await attempt(worker, call)).asked == []


async def test_it_is_no_question_that_whoever_waits_for_the_call_is_asked(
    web: Runtime, worker: Runtime
) -> None:
    call, _ = await asked(web, worker)
    found = await read(web, call.call_id)
    assert (found.questions, found.asks) == ((), False)


async def test_a_question_that_is_set_aside_ends_the_call(web: Runtime, worker: Runtime) -> None:
    call, _ = await asked(web, worker)
    held = await take(web)
    await web.mcp.events.release(held, reason="nobody is in", delay_s=0, dead=True)
    await look_after(worker.workers.approvals)
    found = await read(web, call.call_id)
    assert found.failure == (
        "nobody approved it: the question on letter was set aside: nobody is in"
    )


async def test_a_question_that_has_expired_ends_the_call(web: Runtime, worker: Runtime) -> None:
    call, event = await asked(web, worker)
    await web.web.operators.expire(event.event_id)
    await look_after(worker.workers.approvals)
    found = await read(web, call.call_id)
    assert found.failure == "nobody approved it: letter has not replied"


async def test_an_operator_may_decide_instead_and_the_question_is_set_aside(
    web: Runtime, worker: Runtime
) -> None:
    call, event = await asked(web, worker)
    await web.web.operators.approvals.approve(call.call_id, digest_of(call), "", "ann")
    assert await status_of(web, event.event_id) == (EventStatus.DEAD, SETTLED)
    await look(worker)
    assert len((await attempt(worker, call)).asked) == 1


async def test_a_cancelled_call_asks_nothing_any_more(web: Runtime, worker: Runtime) -> None:
    call, event = await asked(web, worker)
    await web.mcp.calls.cancel(call.call_id, ALICE)
    dead = (EventStatus.DEAD, "its call was cancelled on request")
    assert await status_of(web, event.event_id) == dead
    await web.web.operators.redrive(event.event_id)
    held = await take(web)
    with pytest.raises(ConflictError, match="the call has ended"):
        await web.mcp.events.reply(DESK, held, {"approved": True})
    await web.mcp.events.release(held, reason="", delay_s=0, dead=True)
    await look(worker)
    assert (await read(web, call.call_id)).status is CallStatus.CANCELLED
    assert (await attempt(worker, call)).asked == []


async def test_a_question_in_the_middle_is_set_aside_with_its_call(
    web: Runtime, worker: Runtime
) -> None:
    call, _ = await asked(web, worker)
    await web.mcp.events.reply(DESK, await take(web), {"approved": True})
    await look_after(worker.workers.approvals)
    event_id = await ask_amid(web, call)
    assert (await read(web, call.call_id)).asks
    await web.mcp.calls.cancel(call.call_id, ALICE)
    assert (await status_of(web, event_id))[0] is EventStatus.DEAD


async def test_a_hook_that_merges_what_comes_merges_no_questions(
    web: Runtime, worker: Runtime
) -> None:
    """A reply to one would approve another that nobody has seen."""
    hook = DESK.hooks["letter"].model_copy(
        update={
            "coalesce": Coalesce.model_validate({"key": "", "window": "1h"}),
            "dedupe": Dedupe.model_validate({"pointer": "/workflow"}),
            "limits": Limits.model_validate({"rate": "1/h", "queued": 1}),
        }
    )
    merging = DESK.model_copy(update={"hooks": {"letter": hook}})
    requests = ApprovalRequests(
        web.stores.operators.approvals,
        web.stores.calls,
        Servers.of({"desk": merging}),
        web.web.intake,
    )
    await start(web, "by_hook", n=1)
    await start(web, "by_hook", n=2)
    await web.redis.zadd("{bridge}:approvals", dict.fromkeys(await waiting(web), 1))
    await look_after(requests)
    events = await web.stores.events.listed("desk", ["letter"], EventStatus.QUEUED, 0, 10)
    assert [each.merged for each in events] == [0, 0]


async def test_of_several_who_look_at_once_one_asks(web: Runtime, worker: Runtime) -> None:
    call = await start(web, "by_hook", n=1)
    requests = worker.workers.approvals
    (due,) = await due_now(worker)
    await asyncio.gather(requests.look(due), requests.look(due))
    assert len(await questions(web)) == 1
    assert await web.redis.hget(f"{{bridge}}:call:{call.call_id}", "approval_event")


async def test_a_call_that_is_approved_while_it_is_looked_at_is_not_asked_about(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "by_hook", n=1)
    (due,) = await due_now(worker)
    await web.web.operators.approvals.approve(call.call_id, digest_of(call), "", "ann")
    assert await web.stores.operators.approvals.ask(call.call_id, new_event_id()) is None
    await worker.workers.approvals.look(due)
    assert await questions(web) == []


async def test_a_question_that_is_made_once_its_call_is_approved_is_set_aside(
    web: Runtime, worker: Runtime
) -> None:
    """The process that asks was held up, or died, between two steps."""
    call = await start(web, "by_hook", n=1)
    event_id = await web.stores.operators.approvals.ask(call.call_id, new_event_id())
    assert event_id
    await web.web.operators.approvals.approve(call.call_id, digest_of(call), "", "ann")
    incoming = Incoming(Content.of_json("?"), call_id=call.call_id)
    new = await web.web.intake.anew(DESK, DESK.hooks["letter"], incoming)
    await web.web.intake.put(replace(new, event_id=event_id))
    await web.redis.zadd("{bridge}:approvals", {call.call_id: 1}, xx=True)
    await look_after(worker.workers.approvals)
    assert (await status_of(web, event_id))[0] is EventStatus.DEAD
    assert await web.redis.zcard("{bridge}:approvals") == 0


async def test_a_question_that_was_to_be_made_by_one_that_died_is_made(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "by_hook", n=1)
    event_id = await web.stores.operators.approvals.ask(call.call_id, new_event_id())
    await look(worker)
    await look(worker)
    assert [each.event_id for each in await questions(web)] == [event_id]


async def test_who_has_a_question_once_all_is_decided_has_it_no_more(
    web: Runtime, worker: Runtime
) -> None:
    call, event = await asked(web, worker)
    held = await take(web)
    await web.web.operators.approvals.approve(call.call_id, digest_of(call), "", "ann")
    assert (await status_of(web, event.event_id))[0] is EventStatus.DEAD
    with pytest.raises(LeaseLostError):
        await web.mcp.events.release(held, reason="", delay_s=0, dead=False)
    assert len((await attempt(worker, call)).asked) == 1
    assert await web.redis.zcard("{bridge}:approvals") == 0


async def test_a_question_is_set_aside_however_its_call_has_ended(
    web: Runtime, worker: Runtime
) -> None:
    """As by a callback of an earlier attempt."""
    call, event = await asked(web, worker)
    secret: Any = await web.redis.hget(f"{{bridge}}:call:{call.call_id}", "secret")
    ended = (call.call_id, secret.decode(), CallStatus.SUCCEEDED)
    await web.stores.calls.conclude(*ended, result=b"1", failure="")
    await look_after(worker.workers.approvals)
    assert (await status_of(web, event.event_id))[0] is EventStatus.DEAD


@pytest.mark.parametrize(("answered_s_before_its_end", "approves"), [(60, True), (-60, False)])
async def test_a_reply_in_time_counts_though_nobody_looked_at_it_for_long(
    web: Runtime, worker: Runtime, answered_s_before_its_end: int, approves: bool
) -> None:
    """As where no worker lived for a while."""
    call, event = await asked(web, worker)
    await web.mcp.events.reply(DESK, await take(web), {"approved": True})
    key = f"{{bridge}}:call:{call.call_id}"
    created_at_ms = await web.redis.hincrby(key, "created_at", -25 * 3_600_000)
    answered_at_ms = created_at_ms + 24 * 3_600_000 - 1000 * answered_s_before_its_end
    await web.redis.hset(f"{{bridge}}:reply:{event.event_id}", "answered_at", str(answered_at_ms))
    await look_after(worker.workers.approvals)
    assert len((await attempt(worker, call)).asked) == approves
    if not approves:
        assert "within 24 hours" in str((await read(web, call.call_id)).failure)


async def test_a_reason_beyond_all_measure_is_cut(web: Runtime, worker: Runtime) -> None:
    call, _ = await asked(web, worker)
    reply: Json = {"approved": False, "reason": "\ud83d" + "x" * 5000}
    await web.mcp.events.reply(DESK, await take(web), reply)
    await look_after(worker.workers.approvals)
    failure = (await read(web, call.call_id)).failure
    assert failure
    assert failure.endswith("x")
    assert len(failure) < 1100


async def test_no_sender_takes_the_place_of_a_question(web: Runtime, worker: Runtime) -> None:
    """Whoever may send to the hook knows how the bridge might name its question."""
    call = await start(web, "by_hook", n=1)
    for key in (f"approval of {call.call_id}", call.call_id):
        incoming = Incoming(Content.of_json("?"), idempotency_key=key, call_id=call.call_id)
        await web.web.intake.accept(DESK, DESK.hooks["letter"], incoming)
    await look(worker)
    for _ in range(2):
        await web.mcp.events.reply(DESK, await take(web), {"approved": True})
    await look(worker)
    assert (await read(web, call.call_id)).unapproved
    await web.mcp.events.reply(DESK, await take(web), {"approved": True})
    await look(worker)
    assert len((await attempt(worker, call)).asked) == 1


async def ask_amid(web: Runtime, call: Call) -> EventId:
    """Have n8n ask in the middle of a call."""
    incoming = Incoming(Content.of_json("?"), call_id=call.call_id)
    event, _ = await web.web.intake.accept(DESK, DESK.hooks["letter"], incoming)
    return event.event_id


@pytest.mark.parametrize("is_approved", [True, False])
async def test_an_answer_after_the_call_was_decided_elsewhere_is_refused_and_says_so(
    web: Runtime, worker: Runtime, *, is_approved: bool
) -> None:
    """Whoever has answered would take it for what has counted."""
    call, event = await asked(web, worker, n=1)
    held = await take(web)
    approvals = web.web.operators.approvals
    decide = approvals.approve if is_approved else approvals.refuse
    await decide(call.call_id, digest_of(call), "so", "ann")
    with pytest.raises(ConflictError, match="decided elsewhere"):
        await web.mcp.events.reply(DESK, held, {"approved": not is_approved})
    assert (await status_of(web, event.event_id))[0] is EventStatus.DEAD
