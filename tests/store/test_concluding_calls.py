"""Callbacks: a running call is reported on and concluded by whoever knows its secret."""

import pytest

from bridge.models import CallStatus
from bridge.store.runs import Running
from tests.store.call_records import again, now, run_sent
from tests.store.records import HOSTILE, Desk

SECRET = "the call's own"


async def awaited(web: Desk) -> Running:
    """Have a call that goes on without a worker."""
    running = await run_sent(web, secret=SECRET)
    assert await web.runs.await_callback(running, 600)
    return running


async def conclude(
    web: Desk, running: Running, result: bytes = b'{"a": 1}', secret: str = SECRET
) -> tuple[str, str]:
    """Have n8n say that the call succeeded."""
    return await web.calls.conclude(
        running.call.call_id, secret, CallStatus.SUCCEEDED, result=result, failure=""
    )


async def test_a_call_without_a_worker_runs_and_is_held_by_nobody(web: Desk) -> None:
    running = await awaited(web)

    assert (await now(web, running)).status is CallStatus.RUNNING
    assert await web.held() == set()
    assert await web.redis.zscore("{bridge}:due_calls", running.call.call_id)


async def test_a_call_that_nobody_concluded_in_time_is_a_workers_again(
    web: Desk, worker: Desk
) -> None:
    running = await awaited(web)
    await web.redis.zadd("{bridge}:due_calls", {running.call.call_id: 1})
    assert await worker.runs.sweep(10, 60) == [running.call.call_id]

    taken_up = await again(worker, running)

    assert taken_up.call.attempt == 1
    assert await worker.held() == {f"call {running.call.call_id} {taken_up.token}"}


async def test_progress_is_kept_and_the_newest_told(web: Desk) -> None:
    running = await awaited(web)

    for progress in (0.25, 0.5, 0.5):
        assert await web.calls.report(
            running.call.call_id, SECRET, progress, f"{progress} done"
        ) == ("taken", "running")

    call = await now(web, running)
    assert (call.progress, call.message) == (0.5, "0.5 done")


async def test_a_result_from_outside_ends_the_call(web: Desk) -> None:
    running = await awaited(web)

    assert await conclude(web, running) == ("taken", "succeeded")

    call = await now(web, running)
    assert (call.status, call.result) == (CallStatus.SUCCEEDED, b'{"a": 1}')
    assert await web.redis.exists("{bridge}:due_calls") == 0


async def test_a_result_that_comes_before_the_worker_is_done_ends_the_call_too(web: Desk) -> None:
    running = await run_sent(web, secret=SECRET)

    assert await conclude(web, running) == ("taken", "succeeded")

    assert await web.held() == set()
    assert not await web.runs.finish(running, CallStatus.FAILED, failure="late")
    assert not await web.runs.await_callback(running, 600)


async def test_the_same_end_again_changes_nothing_and_another_is_refused(web: Desk) -> None:
    running = await awaited(web)
    await conclude(web, running)
    before = await web.everything()

    assert await conclude(web, running) == ("taken", "succeeded")
    assert await conclude(web, running, b"2") == ("ended", "succeeded")
    assert await web.calls.conclude(
        running.call.call_id, SECRET, CallStatus.FAILED, result=b"", failure="no"
    ) == ("ended", "succeeded")
    assert await web.calls.report(running.call.call_id, SECRET, 0.5, "late") == (
        "ended",
        "succeeded",
    )
    assert await web.everything() == before


async def test_a_cancelled_call_cannot_be_concluded(web: Desk) -> None:
    running = await awaited(web)
    await web.calls.cancel(running.call.call_id, "no more")

    assert await conclude(web, running) == ("ended", "cancelled")


@pytest.mark.parametrize("secret", ["wrong", *HOSTILE], ids=lambda text: ascii(text[:12]))
async def test_a_wrong_secret_looks_like_an_unknown_call(web: Desk, secret: str) -> None:
    running = await awaited(web)
    without = await run_sent(web)
    before = await web.everything()

    for call_id in (running.call.call_id, without.call.call_id, "call_unknown"):
        assert not await web.calls.proves(call_id, secret)  # type: ignore[arg-type]  # a stranger's
        assert await web.calls.report(call_id, secret, 0.5, "") == ("unknown", "")  # type: ignore[arg-type]  # a stranger's
    assert await conclude(web, running, secret=secret) == ("unknown", "")
    assert await conclude(web, without, secret=secret) == ("unknown", "")
    assert await web.everything() == before


async def test_a_call_that_waits_for_its_next_attempt_may_still_be_concluded(web: Desk) -> None:
    running = await run_sent(web, secret=SECRET, idempotent=True)
    await web.runs.park(running, delay_s=600, ran=True, failure="reset; it may have run")

    assert await web.calls.report(running.call.call_id, SECRET, 0.5, "") == ("taken", "queued")
    assert await conclude(web, running) == ("taken", "succeeded")

    assert (await now(web, running)).status is CallStatus.SUCCEEDED
    assert await web.redis.zscore("{bridge}:due_calls", running.call.call_id) is None
