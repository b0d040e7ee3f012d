"""Calls: on record before they are sent, run by one worker at a time, ended once."""

import asyncio
import json
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bridge.models import (
    CallId,
    CallStatus,
    LeaseToken,
    new_lease_token,
)
from bridge.store.runs import INTERRUPTED
from tests.store.call_records import again, ageless, new_call, now, run, run_sent
from tests.store.records import ALICE, HOSTILE, Desk

RESULTS = [b"null", b'{"a": "\x00\n\xf0\x9f\xa6\x80"}', b'"' + b"x" * 2**20 + b'"']


async def test_a_new_call_is_queued_and_told_as_it_was_asked(web: Desk) -> None:
    new = new_call()

    call = await web.calls.create(new)

    assert (call.call_id, call.principal, call.workflow) == (new.call_id, ALICE, "parse")
    assert (call.status, call.attempt, call.arguments) == (CallStatus.QUEUED, 0, new.arguments)
    assert (call.sent, call.result, call.failure) == (False, None, None)
    assert ageless(await web.calls.read(new.call_id)) == ageless(call)


async def test_creating_again_changes_nothing(web: Desk) -> None:
    new = new_call()
    first = await web.calls.create(new)
    before = await web.everything()

    assert ageless(await web.calls.create(new)) == ageless(first)
    assert await web.everything() == before


async def test_creating_again_does_not_queue_a_call_that_runs(web: Desk) -> None:
    new = new_call()
    await web.calls.create(new)
    await web.runs.lease(new.call_id, new_lease_token())

    assert (await web.calls.create(new)).status is CallStatus.RUNNING


async def test_a_call_that_nobody_was_woken_for_is_due_soon(web: Desk) -> None:
    call = await web.calls.create(new_call())

    due_at_ms = await web.redis.zscore("{bridge}:due_calls", call.call_id)

    assert due_at_ms == call.created_at_ms + 2000


async def test_a_call_is_run_by_one_worker_at_a_time(web: Desk, worker: Desk) -> None:
    for _ in range(20):
        call = await web.calls.create(new_call())

        found = await asyncio.gather(
            *(each.runs.lease(call.call_id, new_lease_token()) for each in [web, worker] * 3)
        )

        assert len([running for running in found if running]) == 1


async def test_leasing_counts_an_attempt_and_holds_the_call(web: Desk) -> None:
    running = await run(web)

    assert (running.call.status, running.call.attempt) == (CallStatus.RUNNING, 1)
    assert await web.held() == {f"call {running.call.call_id} {running.token}"}
    assert await web.redis.exists("{bridge}:due_calls") == 0


async def test_a_call_that_is_sent_at_once_is_on_record_as_sent_in_the_step_that_leases_it(
    web: Desk,
) -> None:
    call = await web.calls.create(new_call())
    token = new_lease_token()

    for _ in range(2):
        running = await web.runs.lease(call.call_id, token, sends=True)
        assert running
        assert (running.is_sent, running.call.sent) == (True, True)
        assert await web.runs.sent(running)

    lines = await web.redis.hget(f"{{bridge}}:call:{call.call_id}", "timeline")
    assert lines
    assert [json.loads(line)["what"] for line in lines.splitlines()] == ["started", "sent"]


async def test_a_call_that_waits_is_not_on_record_as_sent_though_it_would_be_at_once(
    web: Desk,
) -> None:
    first, second = [await web.calls.create(new_call(concurrency=1)) for _ in range(2)]
    assert await web.runs.lease(first.call_id, new_lease_token(), sends=True)

    assert await web.runs.lease(second.call_id, new_lease_token(), sends=True) is None

    waiting = await web.calls.read(second.call_id)
    assert waiting
    assert (waiting.status, waiting.sent) == (CallStatus.QUEUED, False)


async def test_a_call_that_is_followed_is_not_on_record_as_sent_anew(web: Desk) -> None:
    running = await run_sent(web)
    await web.runs.executes(running, "17")
    await web.runs.abandon(running.call.call_id, running.token)

    after = await web.runs.lease(running.call.call_id, new_lease_token(), sends=True)

    assert after
    assert (after.is_sent, after.call.execution) == (False, "17")


async def test_a_call_that_is_run_is_kept_from_then_on_as_long_as_a_new_one(web: Desk) -> None:
    """Though it has stood in line for longer than its result is kept."""
    call = await web.calls.create(new_call(ttl_s=600, timeout_s=100))
    key = f"{{bridge}}:call:{call.call_id}"
    assert 1290 < await web.redis.ttl(key) <= 1300
    await web.redis.hset(key, "created_at", call.created_at_ms - 601_000)
    await web.redis.expire(key, 699)

    await web.runs.lease(call.call_id, new_lease_token())

    assert 1290 < await web.redis.ttl(key) <= 1300


async def test_leasing_again_with_the_same_token_changes_nothing(web: Desk) -> None:
    running = await run(web)
    before = await web.everything()

    repeated = await web.runs.lease(running.call.call_id, running.token)

    assert repeated
    assert ageless(repeated.call) == ageless(running.call)
    assert await web.everything() == before


async def test_the_first_sending_is_on_record_and_stays(web: Desk) -> None:
    running = await run(web)

    assert await web.runs.sent(running)
    before = await web.everything()

    assert await web.runs.sent(running)
    assert await web.everything() == before
    assert (await now(web, running)).sent


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: str(result[:12]))
async def test_a_result_is_kept_as_it_came(web: Desk, result: bytes) -> None:
    running = await run_sent(web)

    assert await web.runs.finish(running, CallStatus.SUCCEEDED, result=result)

    call = await now(web, running)
    assert (call.status, call.result, call.failure) == (CallStatus.SUCCEEDED, result, None)
    assert await web.held() == set()


@pytest.mark.parametrize("failure", HOSTILE[1:], ids=lambda text: ascii(text[:12]))
async def test_a_failure_is_told_as_it_was_given(web: Desk, failure: str) -> None:
    running = await run_sent(web)

    assert await web.runs.finish(running, CallStatus.FAILED, failure=failure)

    call = await now(web, running)
    told = failure.encode(errors="replace").decode()
    assert (call.status, call.result, call.failure) == (CallStatus.FAILED, None, told)


async def test_finishing_again_changes_nothing_and_says_the_same(web: Desk) -> None:
    running = await run_sent(web)
    await web.runs.finish(running, CallStatus.SUCCEEDED, result=b"1")
    before = await web.everything()

    assert await web.runs.finish(running, CallStatus.SUCCEEDED, result=b"1")
    assert await web.everything() == before


async def test_a_call_that_surely_did_not_run_costs_no_attempt(web: Desk) -> None:
    running = await run_sent(web)

    assert await web.runs.park(running, delay_s=60, ran=False, failure="refused")

    call = await now(web, running)
    assert (call.status, call.attempt, call.sent) == (CallStatus.QUEUED, 0, False)
    assert call.failure == "refused"
    assert await web.held() == set()


async def test_a_call_that_may_have_run_costs_an_attempt_and_stays_sent(web: Desk) -> None:
    running = await run_sent(web)

    await web.runs.park(running, delay_s=60, ran=True, failure="reset")

    call = await now(web, running)
    assert (call.status, call.attempt, call.sent) == (CallStatus.QUEUED, 1, True)
    assert (await again(web, running)).call.attempt == 2


async def test_a_parked_call_is_due_after_its_delay(web: Desk) -> None:
    running = await run(web)
    await web.runs.park(running, delay_s=600, ran=False, failure="")

    assert await web.runs.sweep(10, 60) == []
    await web.redis.zadd("{bridge}:due_calls", {running.call.call_id: 1})
    assert await web.runs.sweep(10, 60) == [running.call.call_id]
    assert await web.runs.sweep(10, 60) == []


async def test_parking_again_changes_nothing(web: Desk) -> None:
    running = await run_sent(web)
    await web.runs.park(running, delay_s=0, ran=False, failure="")
    before = await web.everything()

    await web.runs.park(running, delay_s=0, ran=False, failure="")

    assert await web.everything() == before


async def test_elapsed_time_counts_from_the_first_attempt(web: Desk) -> None:
    running = await run(web)
    await web.runs.park(running, delay_s=0, ran=False, failure="")
    key = f"{{bridge}}:call:{running.call.call_id}"
    started_at = await web.redis.hget(key, "started_at")
    assert started_at
    await web.redis.hset(key, "started_at", str(int(started_at) - 100_000))

    assert 100 <= (await again(web, running)).elapsed_s < 200


@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize("is_queued", [True, False])
async def test_any_open_call_can_be_cancelled(
    web: Desk, worker: Desk, is_queued: bool, is_sent: bool
) -> None:
    running = await run_sent(web) if is_sent else await run(web)
    if is_queued:
        await web.runs.park(running, delay_s=60, ran=True, failure="")

    assert await worker.calls.cancel(running.call.call_id, "no more")

    call = await now(web, running)
    assert (call.status, call.failure) == (CallStatus.CANCELLED, "no more")
    assert await web.held() == set()
    assert await web.redis.exists("{bridge}:due_calls") == 0
    assert await web.runs.lease(running.call.call_id, new_lease_token()) is None


async def test_an_ended_call_cannot_be_cancelled(web: Desk) -> None:
    running = await run(web)
    await web.runs.finish(running, CallStatus.FAILED, failure="why")
    before = await web.everything()

    assert not await web.calls.cancel(running.call.call_id, "no more")
    assert await web.everything() == before


async def test_who_lost_its_call_changes_it_no_more(web: Desk, worker: Desk) -> None:
    old = await run_sent(web, idempotent=True)
    await worker.runs.abandon(old.call.call_id, old.token)
    await again(worker, old)
    before = await web.everything()

    assert not await web.runs.sent(old)
    assert not await web.runs.finish(old, CallStatus.SUCCEEDED, result=b"1")
    assert not await web.runs.park(old, delay_s=0, ran=False, failure="")
    await web.runs.abandon(old.call.call_id, old.token)
    assert await web.everything() == before


async def test_a_result_that_comes_after_the_end_is_not_taken(web: Desk) -> None:
    cancelled = await run_sent(web)
    await web.calls.cancel(cancelled.call.call_id, "no more")
    interrupted = await run_sent(web)
    await web.runs.abandon(interrupted.call.call_id, interrupted.token)
    before = await web.everything()

    for late in (cancelled, interrupted):
        assert not await web.runs.finish(late, CallStatus.SUCCEEDED, result=b"1")
        assert not await web.runs.finish(late, (await now(web, late)).status)
    assert await web.everything() == before


async def test_of_a_result_and_a_cancellation_one_wins(web: Desk, worker: Desk) -> None:
    for _ in range(20):
        running = await run_sent(web)

        finished, cancelled = await asyncio.gather(
            web.runs.finish(running, CallStatus.SUCCEEDED, result=b"1"),
            worker.calls.cancel(running.call.call_id, "no more"),
        )

        assert finished != cancelled
        status = (await now(web, running)).status
        assert status is (CallStatus.SUCCEEDED if finished else CallStatus.CANCELLED)


async def test_an_abandoned_call_that_was_not_sent_is_run_again_at_no_cost(web: Desk) -> None:
    running = await run(web)

    for _ in range(2):
        await web.runs.abandon(running.call.call_id, running.token)

    call = await now(web, running)
    assert (call.status, call.attempt) == (CallStatus.QUEUED, 0)
    assert await web.runs.sweep(10, 60) == [call.call_id]
    assert await web.held() == set()


async def test_an_abandoned_call_that_may_run_twice_is_sent_again_while_attempts_are_left(
    web: Desk,
) -> None:
    running = await run_sent(web, idempotent=True, max_attempts=2)

    await web.runs.abandon(running.call.call_id, running.token)
    assert (await now(web, running)).status is CallStatus.QUEUED
    last = await again(web, running)
    await web.runs.abandon(last.call.call_id, last.token)

    call = await now(web, running)
    assert (call.status, call.attempt, call.failure) == (CallStatus.FAILED, 2, INTERRUPTED)


async def test_an_abandoned_call_that_must_not_run_twice_fails_and_says_so(web: Desk) -> None:
    running = await run_sent(web)

    for _ in range(2):
        await web.runs.abandon(running.call.call_id, running.token)

    call = await now(web, running)
    assert (call.status, call.failure) == (CallStatus.FAILED, INTERRUPTED)
    assert await web.redis.exists("{bridge}:due_calls") == 0
    assert await web.held() == set()


async def pass_time(redis: Redis, call_id: CallId, seconds: int) -> None:
    """Have a call look as if it had ended so long ago."""
    key = f"{{bridge}}:call:{call_id}"
    finished_at = await redis.hget(key, "finished_at")
    assert finished_at
    await redis.hset(key, "finished_at", str(int(finished_at) - seconds * 1000))


@pytest.mark.parametrize("status", [CallStatus.SUCCEEDED, CallStatus.FAILED])
async def test_a_call_whose_result_was_dropped_is_expired(web: Desk, status: CallStatus) -> None:
    running = await run(web, ttl_s=100, timeout_s=50)
    key = f"{{bridge}}:call:{running.call.call_id}"
    await web.redis.hset(key, "created_at", running.call.created_at_ms - 51_000)
    await web.redis.expire(key, 199)
    await web.runs.finish(running, status, result=b"1")
    result_key = f"{{bridge}}:result:{running.call.call_id}"
    assert 0 < await web.redis.ttl(result_key) <= 100
    assert await web.redis.ttl(key) == 200

    await pass_time(web.redis, running.call.call_id, 101)
    await web.redis.delete(result_key)

    call = await now(web, running)
    assert (call.status, call.result) == (CallStatus.EXPIRED, None)
    assert await web.calls.listed(ALICE, CallStatus.EXPIRED, 0, 5) == [replace(call, result=None)]
    assert await web.calls.listed(ALICE, status, 0, 5) == []
    assert not await web.calls.cancel(call.call_id, "no more")


async def test_a_call_that_is_gone_is_unknown_and_listed_no_more(web: Desk) -> None:
    call = await web.calls.create(new_call())
    await web.redis.delete(f"{{bridge}}:call:{call.call_id}")

    assert await web.calls.read(call.call_id) is None
    assert await web.runs.lease(call.call_id, new_lease_token()) is None
    assert await web.calls.listed(ALICE, "", 0, 5) == []
    await web.redis.zadd("{bridge}:due_calls", {call.call_id: 1})
    await web.runs.sweep(10, 60)
    assert await web.redis.exists("{bridge}:due_calls") == 0


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_hostile_ids_and_tokens_run_nothing(web: Desk, text: str) -> None:
    running = await run(web)
    before = await web.everything()
    hostile = [
        replace(running, token=LeaseToken(text)),
        replace(running, call=replace(running.call, call_id=CallId(text))),
    ]

    assert await web.calls.read(CallId(text)) is None
    assert await web.runs.lease(CallId(text), new_lease_token()) is None
    assert not await web.calls.cancel(CallId(text), "")
    for claim in hostile:
        assert not await web.runs.sent(claim)
        assert not await web.runs.finish(claim, CallStatus.SUCCEEDED, result=b"1")
        assert not await web.runs.park(claim, delay_s=0, ran=True, failure="")
        await web.runs.abandon(claim.call.call_id, claim.token)
    assert await web.everything() == before


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_hostile_arguments_come_back_as_they_were(web: Desk, text: str) -> None:
    arguments = text.encode(errors="surrogatepass")

    call = await web.calls.create(new_call(arguments=arguments))

    assert call.arguments == arguments
