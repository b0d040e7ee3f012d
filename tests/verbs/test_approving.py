"""Approving: which calls wait for somebody, who lets them go on, and what no way leads around."""

from typing import Any

import pytest

from bridge.errors import ConflictError, MalformedError, NotFoundError
from bridge.models import Call, CallId, CallStatus, new_call_id
from bridge.n8n.outcomes import Answered
from bridge.runtime import Runtime
from bridge.verbs.calls import CallRequest
from tests.verbs.desk import ALICE, DESK, start
from tests.verbs.n8n import N8n
from tests.verbs.test_running_again import SERVERS, TTL_S, moments

UNGUARDED = DESK.workflows["guarded"].model_copy(update={"approve": None})
"""What the workflow was before somebody had to approve."""


async def read(runtime: Runtime, call_id: CallId) -> Call:
    return await runtime.mcp.calls.wait(call_id, ALICE, 0)


async def attempt(worker: Runtime, call: Call) -> N8n:
    """Have a worker try to run a call; returns what n8n was asked."""
    n8n = N8n(Answered({"b": 2}))
    await worker.workers.runs.run(call.call_id, n8n, n8n.look)
    return n8n


def digest_of(call: Call) -> str:
    assert call.approval
    return call.approval.digest


@pytest.mark.parametrize(
    ("workflow", "arguments", "waits"),
    [
        ("guarded", {}, True),
        ("open", {}, False),
        ("stamp", {}, False),
        ("wiping", {}, True),
        ("looking", {}, False),
        ("harmless", {}, False),
        ("dear", {"eur": 100}, True),
        ("dear", {"eur": 99.5}, False),
        ("dear", {}, False),
        ("doubtful", {"a": "a" * 40}, True),
    ],
)
async def test_a_call_waits_for_approval_where_its_workflow_says_so(
    web: Runtime, worker: Runtime, workflow: str, arguments: dict[str, Any], waits: bool
) -> None:
    call = await start(web, workflow, **arguments)
    assert bool(call.unapproved) == waits
    assert await web.workers.queue.length() == (0 if waits else 1)
    assert bool((await attempt(worker, call)).asked) is not waits


async def test_an_approved_call_runs_and_says_who_approved_it(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "guarded", n=1)
    assert [each.call_id for each in await web.web.operators.approvals.waiting()] == [call.call_id]
    await web.web.operators.approvals.approve(call.call_id, digest_of(call), "it is fine", "ann")

    n8n = await attempt(worker, call)
    assert [each.arguments for each in n8n.asked] == [{"n": 1}]
    ended = await read(web, call.call_id)
    assert (ended.status, ended.result) == (CallStatus.SUCCEEDED, b'{"b": 2}')
    said = (await moments(web, call.call_id))["approved"]
    assert said == {"by": "ann", "reason": "it is fine"}
    assert await web.web.operators.approvals.waiting() == []


async def test_a_refused_call_fails_with_who_and_why(web: Runtime, worker: Runtime) -> None:
    call = await start(web, "guarded", n=1)
    await web.web.operators.approvals.refuse(call.call_id, digest_of(call), " not today ", "ann")

    assert (await attempt(worker, call)).asked == []
    ended = await read(web, call.call_id)
    assert (ended.status, ended.failure) == (CallStatus.FAILED, "refused by ann: not today")
    assert (await start(web, "guarded", n=1)).call_id != call.call_id


async def test_an_approval_is_of_these_arguments_alone(web: Runtime, worker: Runtime) -> None:
    call, other = await start(web, "guarded", n=1), await start(web, "guarded", n=2)
    assert digest_of(call) != digest_of(other)
    for verdict in (web.web.operators.approvals.approve, web.web.operators.approvals.refuse):
        with pytest.raises(ConflictError, match="not what the call would do"):
            await verdict(other.call_id, digest_of(call), "", "ann")
    assert (await attempt(worker, other)).asked == []


async def test_equal_arguments_are_equal_however_they_are_spelt(web: Runtime) -> None:
    call = await start(web, "guarded", a=1, b={"x": 1.0, "y": "ü"})
    again = await start(web, "guarded", b={"y": "ü", "x": 1}, a=1.0)
    assert again.attached
    assert again.call_id == call.call_id


async def test_what_cannot_be_decided_says_why(web: Runtime) -> None:
    approvals, call = web.web.operators.approvals, await start(web, "guarded")
    with pytest.raises(NotFoundError):
        await approvals.approve("call_unknown", digest_of(call), "", "ann")
    with pytest.raises(ConflictError, match="nothing of this call must be approved"):
        await approvals.approve((await start(web)).call_id, "", "", "ann")
    with pytest.raises(MalformedError, match="1000 characters"):
        await approvals.refuse(call.call_id, digest_of(call), "x" * 1001, "ann")
    await approvals.approve(call.call_id, digest_of(call), "", "ann")
    with pytest.raises(ConflictError, match="ann has approved it already"):
        await approvals.refuse(call.call_id, digest_of(call), "", "bob")


async def test_a_call_that_is_run_again_must_be_approved_again(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "guarded", n=1)
    await web.web.operators.approvals.approve(call.call_id, digest_of(call), "", "ann")
    await attempt(worker, call)

    again = await web.web.running_again.run_call(call.call_id, "ann", SERVERS, TTL_S)
    assert again.unapproved
    edited = await web.web.running_again.run_call(call.call_id, "ann", SERVERS, TTL_S, {"n": 2})
    assert edited.unapproved
    assert digest_of(edited) != digest_of(again) == digest_of(call)
    assert await web.workers.queue.length() == 0
    for each in (again, edited):
        assert (await attempt(worker, each)).asked == []


async def test_a_call_that_was_begun_where_nobody_had_to_approve_is_held_before_it_is_sent(
    web: Runtime, worker: Runtime
) -> None:
    """As by a process with an earlier server file, or of a version that knows of no approval."""
    asked = CallRequest(ALICE, UNGUARDED, {"n": 1}, new_call_id())
    call = await web.mcp.calls.start(asked)
    assert call.approval is None

    assert (await attempt(worker, call)).asked == []
    held = await read(web, call.call_id)
    assert held.unapproved
    assert (held.sent, held.attempt) == (False, 0)
    await web.web.operators.approvals.approve(call.call_id, digest_of(held), "", "ann")
    assert len((await attempt(worker, call)).asked) == 1


async def test_nobody_approves_in_time_and_the_call_has_failed(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "guarded")
    key = f"{{bridge}}:call:{call.call_id}"
    await web.redis.hincrby(key, "created_at", -24 * 3_600_000)
    await web.redis.zadd("{bridge}:approvals", {call.call_id: 1})
    for due in await worker.workers.approvals.due(10, 10):
        await worker.workers.approvals.look(due)

    ended = await read(web, call.call_id)
    assert ended.status is CallStatus.FAILED
    assert ended.failure == "nobody approved it within 24 hours, so it was never sent"
    with pytest.raises(ConflictError, match="the time in which it could be approved is over"):
        await web.web.operators.approvals.approve(call.call_id, digest_of(call), "", "ann")
