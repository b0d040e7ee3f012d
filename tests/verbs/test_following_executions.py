"""Following: what becomes of a call whose webhook answers with the execution's id."""

import asyncio

import pytest

from bridge.models import Call, CallId, CallStatus, Json
from bridge.n8n.outcomes import (
    Answered,
    AskAgain,
    Dropped,
    ExecutionOutcome,
    Failed,
    StillRunning,
    Succeeded,
    Unknown,
)
from bridge.runtime import Runtime
from bridge.verbs.runs import NO_EXECUTION
from tests.verbs.desk import ALICE, start
from tests.verbs.n8n import N8n, Silent

RUNNING, SUCCEEDED, FAILED = CallStatus.RUNNING, CallStatus.SUCCEEDED, CallStatus.FAILED
TOLD = Answered({"executionId": "41"})


async def read(runtime: Runtime, call_id: CallId) -> Call:
    return await runtime.mcp.calls.wait(call_id, ALICE, 0)


async def run(runtime: Runtime, workflow: str, n8n: N8n) -> Call:
    call = await start(runtime, workflow)
    await runtime.workers.runs.run(call.call_id, n8n, n8n.look)
    return await read(runtime, call.call_id)


async def break_off(worker: Runtime, call_id: CallId, n8n: N8n) -> None:
    """Have a worker end while it follows a call's execution."""
    watching = Silent()
    running = asyncio.create_task(worker.workers.runs.run(call_id, n8n, watching.look))
    await watching.asked.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("seen", "status", "said"),
    [
        ([Succeeded({"a": 1})], SUCCEEDED, None),
        ([StillRunning(), AskAgain("n8n is away"), Succeeded({"a": 1})], SUCCEEDED, None),
        ([Succeeded([1, 2])], FAILED, "output schema"),
        ([Succeeded(None, empty=True)], FAILED, "empty"),
        ([Failed("it failed")], FAILED, "it failed"),
        ([Unknown("nobody knows")], FAILED, "nobody knows"),
        ([Dropped("n8n dropped it")], FAILED, "n8n dropped it"),
    ],
)
async def test_the_execution_decides_on_a_call(
    web: Runtime, seen: list[ExecutionOutcome], status: CallStatus, said: str | None
) -> None:
    n8n = N8n(TOLD, seen=seen)

    call = await run(web, "followed", n8n)

    assert (call.status, call.execution, call.attempt) == (status, "41", 1)
    assert said is None or said in (call.failure or "")
    assert n8n.looked_at == ["41"] * len(seen)


@pytest.mark.parametrize("value", [None, "41", {}, {"executionId": None}, {"executionId": True}])
async def test_a_webhook_that_tells_no_execution_cannot_be_followed(
    web: Runtime, value: Json
) -> None:
    call = await run(web, "followed", N8n(Answered(value)))

    assert (call.status, call.failure) == (FAILED, NO_EXECUTION)


async def test_the_execution_is_on_record_before_anyone_looks_at_it(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "followed")
    watching = Silent()
    running = asyncio.create_task(worker.workers.runs.run(call.call_id, N8n(TOLD), watching.look))
    await watching.asked.wait()

    assert (await read(web, call.call_id)).execution == "41"
    await web.mcp.calls.cancel(call.call_id, ALICE)
    await asyncio.wait_for(running, 20)
    assert watching.was_cancelled


async def test_a_worker_that_ends_hands_the_execution_to_another(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "followed")
    await break_off(worker, call.call_id, N8n(TOLD))
    other = N8n(seen=[Succeeded({"a": 1})])

    await web.workers.runs.run(call.call_id, other, other.look)

    ended = await read(web, call.call_id)
    assert (ended.status, ended.result, ended.attempt) == (SUCCEEDED, b'{"a": 1}', 1)
    assert (other.asked, other.looked_at) == ([], ["41"])


async def test_an_execution_that_outlasts_the_timeout_fails_the_call(web: Runtime) -> None:
    call = await run(web, "chased", N8n(TOLD, seen=[AskAgain("n8n is away")] * 3))

    assert call.status is FAILED
    assert call.failure == (
        "timed out after 1 s; execution 41 may still run in n8n; the last failure was: n8n is away"
    )


async def test_what_n8n_dropped_is_sent_again_where_that_is_safe(web: Runtime) -> None:
    n8n = N8n(TOLD, Answered({"executionId": 42}), seen=[Dropped("dropped"), Succeeded({})])
    call = await run(web, "followed_twice", n8n)
    assert (call.status, call.execution) == (CallStatus.QUEUED, None)

    await web.workers.runs.run(call.call_id, n8n, n8n.look)

    ended = await read(web, call.call_id)
    assert (ended.status, ended.execution, ended.attempt) == (SUCCEEDED, "42", 2)
    assert n8n.looked_at == ["41", "42"]


async def test_an_execution_is_left_to_others_by_a_process_that_hands_over(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "followed")
    watching, heir = Silent(), N8n(seen=[Succeeded({"a": 1})])
    running = asyncio.create_task(worker.workers.runs.run(call.call_id, N8n(TOLD), watching.look))
    await watching.asked.wait()
    worker.workers.runs.hand_over()
    await running
    assert watching.was_cancelled
    assert (await read(web, call.call_id)).status is CallStatus.QUEUED

    await web.workers.runs.run(call.call_id, heir, heir.look)

    ended = await read(web, call.call_id)
    assert (ended.status, ended.attempt, heir.asked) == (SUCCEEDED, 1, [])


async def test_a_process_that_hands_over_sees_to_what_others_would_have_to_send_again(
    web: Runtime, worker: Runtime
) -> None:
    worker.workers.runs.hand_over()

    call = await start(web)
    n8n = N8n(Answered(1))
    await worker.workers.runs.run(call.call_id, n8n, n8n.look)

    assert (await read(web, call.call_id)).status is SUCCEEDED
