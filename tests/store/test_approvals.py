"""Approvals: a call that waits for one is begun by nothing, and a verdict counts once."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.models import ApprovalStatus, Call, CallId, CallStatus, new_lease_token
from bridge.store.approvals import LISTED_BYTES, ApprovalStore
from bridge.store.new_calls import NewApproval
from bridge.store.runs import Running
from tests.store.call_records import new_call, now, run, run_sent
from tests.store.records import Desk

DIGEST = "digest of what was seen"
TO_APPROVE = NewApproval(DIGEST, "console", 3600)
CALL = "{bridge}:call:"


@pytest.fixture
def approvals(web: Desk) -> ApprovalStore:
    return ApprovalStore(web.steps)


async def asked(web: Desk, **changes: Any) -> Call:
    """Have a call that waits for its approval."""
    return await web.calls.create(new_call(**({"to_approve": TO_APPROVE} | changes)))


async def read(web: Desk, call_id: CallId) -> Call:
    call = await web.calls.read(call_id)
    assert call
    return call


async def lease(web: Desk, call_id: CallId) -> Running | None:
    return await web.runs.lease(call_id, new_lease_token())


async def be_late(web: Desk, call_id: CallId) -> None:
    """Have the time pass in which a call could be approved."""
    await web.redis.hincrby(CALL + call_id, "created_at", -3_600_001)
    await web.redis.zadd("{bridge}:approvals", {call_id: 1})


async def test_a_call_that_waits_for_approval_is_due_for_no_worker(
    web: Desk, approvals: ApprovalStore, redis: Redis
) -> None:
    call = await asked(web)
    assert call.status is CallStatus.QUEUED
    assert call.approval
    assert call.approval.status is ApprovalStatus.WAITING
    assert (call.approval.digest, call.approval.asks) == (DIGEST, "console")
    assert call.approval.ends_at_ms == call.created_at_ms + 3_600_000
    assert (await read(web, call.call_id)).approval == call.approval
    assert await redis.zscore("{bridge}:due_calls", call.call_id) is None
    assert [each.call_id for each in await approvals.waiting(10)] == [call.call_id]


async def test_nothing_that_leads_a_worker_to_it_begins_an_attempt(
    web: Desk, worker: Desk, redis: Redis
) -> None:
    call = await asked(web)
    await redis.hset(CALL + call.call_id, "waited_at", "1")
    await redis.zadd("{bridge}:due_calls", {call.call_id: 1})
    await redis.zadd("{bridge}:turns:support:parse", {call.call_id: 1})
    await redis.zadd("{bridge}:slots:support:parse", {call.call_id: 9e15})

    assert await lease(worker, call.call_id) is None
    assert await worker.runs.lease(call.call_id, new_lease_token(), sends=True) is None
    await worker.runs.sweep(10, 0)
    assert await redis.zscore("{bridge}:due_calls", call.call_id) is None
    found = await read(web, call.call_id)
    assert (found.status, found.attempt, found.sent) == (CallStatus.QUEUED, 0, False)


async def test_an_approved_call_is_due_and_its_time_begins_with_its_first_attempt(
    web: Desk, worker: Desk, approvals: ApprovalStore, redis: Redis
) -> None:
    call = await asked(web, timeout_s=60)
    await redis.hincrby(CALL + call.call_id, "created_at", -600_000)
    assert await approvals.approve(call.call_id, DIGEST, "ann", "fine") == "done"

    assert await web.runs.sweep(10, 600) == [call.call_id]
    await approvals.settle(call.call_id)
    assert await redis.zscore("{bridge}:approvals", call.call_id) is None
    running = await lease(worker, call.call_id)
    assert running
    assert running.elapsed_s < 50
    approval = running.call.approval
    assert approval
    assert (approval.status, approval.by, approval.reason) == ("approved", "ann", "fine")
    assert approval.decided_at_ms


@pytest.mark.parametrize("second", ["approve", "refuse"])
async def test_a_call_is_decided_about_once(
    web: Desk, approvals: ApprovalStore, second: str
) -> None:
    call = await asked(web)
    assert await approvals.approve(call.call_id, DIGEST, "ann", "") == "done"
    again = (
        approvals.approve(call.call_id, DIGEST, "bob", "")
        if second == "approve"
        else approvals.refuse(call.call_id, DIGEST, "bob", "", "no")
    )
    assert await again == "approved"
    found = await read(web, call.call_id)
    assert found.approval
    assert (found.status, found.approval.by) == (CallStatus.QUEUED, "ann")


async def test_of_many_who_decide_at_once_one_counts(web: Desk, approvals: ApprovalStore) -> None:
    call = await asked(web)
    outcomes = await asyncio.gather(
        *(approvals.approve(call.call_id, DIGEST, f"{n}", "") for n in range(5)),
        *(approvals.refuse(call.call_id, DIGEST, f"{n}", "", "no") for n in range(5)),
    )
    assert outcomes.count("done") == 1


async def test_what_was_seen_otherwise_is_not_approved(web: Desk, approvals: ApprovalStore) -> None:
    call = await asked(web)
    assert await approvals.approve(call.call_id, "another digest", "ann", "") == "changed"
    assert await approvals.refuse(call.call_id, "", "ann", "", "no") == "changed"
    assert (await read(web, call.call_id)).unapproved


async def test_there_is_nothing_to_approve_of_others(web: Desk, approvals: ApprovalStore) -> None:
    running = await run(web)
    assert await approvals.approve(running.call.call_id, DIGEST, "ann", "") == "none"
    assert await approvals.approve(CallId("call_unknown"), DIGEST, "ann", "") == "unknown"
    assert await approvals.refuse(CallId("call_unknown"), DIGEST, "ann", "", "no") == "unknown"


async def test_a_cancelled_call_is_not_approved(
    web: Desk, worker: Desk, approvals: ApprovalStore
) -> None:
    call = await asked(web)
    assert await web.calls.cancel(call.call_id, "no more")
    assert await approvals.approve(call.call_id, DIGEST, "ann", "") == "ended"
    assert await approvals.waiting(10) == []
    assert await lease(worker, call.call_id) is None


async def test_a_refused_call_has_failed_and_no_equal_one_joins_it(
    web: Desk, worker: Desk, approvals: ApprovalStore
) -> None:
    call = await asked(web, attach="equal", attach_use="same use", attach_for_s=600)
    joined = await asked(web, attach="equal", attach_use="another use", attach_for_s=600)
    assert (joined.call_id, joined.attached) == (call.call_id, True)

    assert await approvals.refuse(call.call_id, DIGEST, "ann", "no", "refused by ann") == "done"
    found = await read(web, call.call_id)
    assert (found.status, found.failure) == (CallStatus.FAILED, "refused by ann")
    assert await lease(worker, call.call_id) is None
    for use in ("same use", "another use", "third use"):
        other = await asked(web, attach="equal", attach_use=use, attach_for_s=600)
        assert not other.attached
        assert await web.calls.cancel(other.call_id, "no more")


async def test_an_approved_call_is_joined_as_any_other(
    web: Desk, worker: Desk, approvals: ApprovalStore
) -> None:
    call = await asked(web, attach="equal", attach_for_s=600)
    assert await approvals.approve(call.call_id, DIGEST, "ann", "") == "done"
    running = await lease(worker, call.call_id)
    assert running
    assert await worker.runs.finish(running, CallStatus.SUCCEEDED, result=b"1")
    assert (await asked(web, attach="equal", attach_for_s=600)).attached


async def test_nobody_approves_once_its_time_is_over_and_then_it_ends(
    web: Desk, worker: Desk, approvals: ApprovalStore
) -> None:
    call = await asked(web, attach="equal", attach_for_s=600)
    await be_late(web, call.call_id)
    assert await approvals.approve(call.call_id, DIGEST, "ann", "") == "late"

    assert await approvals.due(10, 600) == [(call.call_id, False, True, None, 3_600_000)]
    assert await approvals.lapse(call.call_id, "nobody did")
    assert not await approvals.lapse(call.call_id, "nobody did")
    found = await read(web, call.call_id)
    assert found.approval
    assert (found.status, found.failure) == (CallStatus.FAILED, "nobody did")
    assert found.approval.status is ApprovalStatus.EXPIRED
    assert await approvals.approve(call.call_id, DIGEST, "ann", "") == "expired"
    assert not (await asked(web, attach="equal", attach_for_s=600)).attached


async def test_a_call_that_is_looked_at_before_its_end_waits_on(
    web: Desk, approvals: ApprovalStore, redis: Redis
) -> None:
    call = await asked(web)
    await redis.zadd("{bridge}:approvals", {call.call_id: 1, "call_gone": 1})
    (gone,) = await approvals.due(10, 600)
    assert (gone.call_id, gone.is_decided) == ("call_gone", True)
    for call_id in (gone.call_id, call.call_id):
        await approvals.settle(call_id)
    assert call.approval
    assert await redis.zrange("{bridge}:approvals", 0, -1, withscores=True) == [
        (call.call_id.encode(), float(call.approval.ends_at_ms))
    ]


async def test_a_running_call_that_nobody_has_approved_is_held_until_somebody_has(
    web: Desk, worker: Desk, approvals: ApprovalStore
) -> None:
    running = await run_sent(worker)
    assert await worker.runs.hold(running, TO_APPROVE, 60)
    assert not await worker.runs.hold(running, TO_APPROVE, 60)

    found = await now(web, running)
    assert (found.status, found.attempt, found.sent) == (CallStatus.QUEUED, 0, False)
    assert found.unapproved
    assert await lease(worker, found.call_id) is None
    assert not await worker.runs.finish(running, CallStatus.SUCCEEDED, result=b"1")

    assert await approvals.approve(found.call_id, DIGEST, "ann", "") == "done"
    again = await lease(worker, found.call_id)
    assert again
    assert again.call.attempt == 1


async def test_its_record_outlives_the_time_in_which_it_may_be_approved(
    web: Desk, redis: Redis
) -> None:
    call = await asked(web, ttl_s=1, timeout_s=1, attach="equal")
    assert await redis.ttl(CALL + call.call_id) > 3500
    assert await redis.ttl("{bridge}:attach:equal") > 3500


async def test_a_time_limit_is_what_a_step_of_an_earlier_version_lacks(
    web: Desk, redis: Redis
) -> None:
    """Earlier versions know of no approval; they add its time limit before they begin a call."""
    call = await asked(web)
    assert await redis.hget(CALL + call.call_id, "timeout_ms") is None


async def test_a_list_of_long_arguments_is_short(web: Desk, approvals: ApprovalStore) -> None:
    """A hundred calls of 16 MiB would be more than a process and Redis could bear at once."""
    for _ in range(6):
        await asked(web, arguments=b'"' + b"x" * (LISTED_BYTES // 4) + b'"')
    assert len(await approvals.waiting(100)) == 4
