"""Running: what becomes of a call after each answer of n8n."""

import asyncio
import contextlib

import pytest

from bridge.models import Call, CallId, CallStatus
from bridge.n8n.outcomes import Answered, MaybeRun, NotRegistered, NotRun, Refused, RunOutcome
from bridge.runtime import Runtime
from bridge.store.runs import INTERRUPTED
from bridge.verbs.runs import RunAttempt
from tests.verbs.desk import ALICE, DESK, start
from tests.verbs.n8n import N8n, Silent
from tests.waiting import wait_until

SUCCEEDED, FAILED, QUEUED = CallStatus.SUCCEEDED, CallStatus.FAILED, CallStatus.QUEUED


async def run(runtime: Runtime, workflow: str, *outcomes: RunOutcome) -> Call:
    """Start a call and make an attempt for each outcome; returns the call as it is then."""
    call = await start(runtime, workflow)
    n8n = N8n(*outcomes)
    for _ in outcomes:
        await runtime.workers.runs.run(call.call_id, n8n, n8n.look)
    assert len(n8n.asked) == len(outcomes)
    return await read(runtime, call.call_id)


async def read(runtime: Runtime, call_id: CallId) -> Call:
    return await runtime.mcp.calls.wait(call_id, ALICE, 0)


async def test_a_call_is_on_record_as_sent_once_its_first_byte_is_to_leave(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, n=[1, None, "🦀"])
    seen: list[tuple[Call, RunAttempt]] = []

    async def look(sending: RunAttempt) -> RunOutcome:
        assert not (await read(web, sending.call_id)).sent
        assert await sending.mark_sent()
        seen.append((await read(web, sending.call_id), sending))
        return Answered({"b": 2})

    await worker.workers.runs.run(call.call_id, look, N8n().look)

    ((meanwhile, sending),) = seen
    assert (meanwhile.status, meanwhile.sent) == (CallStatus.RUNNING, True)
    assert sending.arguments == {"n": [1, None, "🦀"]}
    assert sending.workflow == DESK.workflows["stamp"]
    assert 1100 < sending.timeout_s <= 1200
    ended = await read(web, call.call_id)
    assert (ended.status, ended.result) == (SUCCEEDED, b'{"b": 2}')


async def test_starting_a_call_wakes_a_worker(web: Runtime) -> None:
    await start(web)

    assert await web.workers.queue.length() == 1


@pytest.mark.parametrize(
    ("workflow", "outcomes", "status", "attempt", "said"),
    [
        ("stamp", [Answered(None)], SUCCEEDED, 1, None),
        ("stamp", [Answered(None, empty=True)], SUCCEEDED, 1, None),
        ("typed", [Answered({"ok": 1})], SUCCEEDED, 1, None),
        ("typed", [Answered({"no": 1})], FAILED, 1, "/ok: is required"),
        ("typed", [Answered(None, empty=True)], FAILED, 1, "empty body"),
        ("listed", [Answered([1] * 10_000)], FAILED, 1, '/19: 1 is not of type "string"; and more'),
        ("patterned", [Answered("aac")], SUCCEEDED, 1, None),
        ("patterned", [Answered("a" * 100)], FAILED, 1, "could not be checked"),
        ("stamp", [NotRun("refused")], QUEUED, 0, "refused"),
        ("stamp", [NotRun("refused")] * 5 + [Answered(1)], SUCCEEDED, 1, None),
        ("stamp", [NotRegistered("not active")], QUEUED, 0, "not active"),
        ("stamp", [MaybeRun("reset; it may have run")], FAILED, 1, "it may have run"),
        ("stamp", [Refused("403")], FAILED, 1, "403"),
        ("twice", [MaybeRun("reset")], QUEUED, 1, "reset"),
        ("twice", [MaybeRun("reset"), Answered(1)], SUCCEEDED, 2, None),
        ("twice", [MaybeRun("reset"), MaybeRun("again")], FAILED, 2, "again"),
        ("twice", [NotRun("refused"), MaybeRun("reset"), Answered(1)], SUCCEEDED, 2, None),
        ("twice", [Refused("403")], FAILED, 1, "403"),
        ("brief", [NotRun("refused")], FAILED, 1, "timed out after 1 s"),
        ("stamp", [Answered("<html>", page="Sign in")], FAILED, 1, "is a web page and not the wo"),
        ("stamp", [Answered("<html>", page="Sign in")], FAILED, 1, "instructions): Sign in"),
        ("typed", [Answered("<html>", page="")], FAILED, 1, "is a web page and not the workflow"),
        ("later", [Answered("<html>", page="n8n.io")], FAILED, 1, "is a web page and not the wor"),
        ("followed", [Answered("<html>", page="n8n.io")], FAILED, 1, "is a web page and not the"),
        ("typed", [Answered('{"ok": 1}', is_streamed=True)], SUCCEEDED, 1, None),
        ("typed", [Answered("Hello", is_streamed=True)], FAILED, 1, "breaks this tool's output"),
        ("typed", [Answered('{"ok": 1}')], FAILED, 1, "breaks this tool's output"),
        ("paged", [Answered('{"ok": 1}', is_streamed=True)], SUCCEEDED, 1, None),
        ("paged", [Answered("<html>", page="My report")], SUCCEEDED, 1, None),
        ("stamp", [Answered('{"a":', flaw="not JSON: x")], FAILED, 1, "and is not JSON: x. A wor"),
        ("stamp", [Answered('{"a":', flaw="not JSON: x")], FAILED, 1, 'instructions): {"a":'),
        ("typed", [Answered('{"a":', flaw="not JSON: x")], FAILED, 1, "its answer was cut off or"),
        ("paged", [Answered('{"a":', flaw="not JSON: x")], SUCCEEDED, 1, None),
        ("stamp", [Refused("n8n answered 400", "no date")], FAILED, 1, "n8n answered 400. It says"),
        ("twice", [MaybeRun("reset", "busy")] * 2, FAILED, 2, "not instructions): busy"),
    ],
)
async def test_the_answers_of_n8n_decide_on_a_call(
    web: Runtime,
    workflow: str,
    outcomes: list[RunOutcome],
    status: CallStatus,
    attempt: int,
    said: str | None,
) -> None:
    call = await run(web, workflow, *outcomes)

    assert (call.status, call.attempt) == (status, attempt)
    if said is None:
        assert call.failure is None
    else:
        assert said in (call.failure or "")


async def back_date(runtime: Runtime, call_id: CallId, seconds: float) -> None:
    """Have a call look as if its first attempt had begun so long ago."""
    key = f"{{bridge}}:call:{call_id}"
    started_at = await runtime.redis.hget(key, "started_at")
    assert started_at
    await runtime.redis.hset(key, "started_at", str(int(started_at) - round(seconds * 1000)))


async def test_a_webhook_that_stays_unknown_is_given_up(web: Runtime) -> None:
    call = await run(web, "stamp", NotRegistered("not active"))
    await back_date(web, call.call_id, 11)

    await web.workers.runs.run(call.call_id, N8n(NotRegistered("not active")), N8n().look)

    ended = await read(web, call.call_id)
    assert (ended.status, ended.failure) == (FAILED, "not active")


@pytest.mark.parametrize("away_s", [0, 10, 40])
async def test_a_call_that_n8n_was_away_for_is_tried_again_in_about_the_time_that_it_was(
    web: Runtime, away_s: float
) -> None:
    call = await run(web, "stamp", NotRun("refused"))
    await back_date(web, call.call_id, away_s)
    n8n = N8n(NotRun("no answer in time"))

    await web.workers.runs.run(call.call_id, n8n, n8n.look)

    due_at_ms = await web.redis.zscore("{bridge}:due_calls", call.call_id) or 0
    seconds, micros = await web.redis.time()
    assert due_at_ms / 1000 - seconds - micros / 1e6 < 2 * away_s + 3


async def test_a_call_whose_time_is_over_is_not_sent_again(web: Runtime) -> None:
    call = await run(web, "stamp", NotRun("refused"))
    await back_date(web, call.call_id, 1201)
    n8n = N8n()

    await web.workers.runs.run(call.call_id, n8n, n8n.look)

    ended = await read(web, call.call_id)
    assert n8n.asked == []
    assert ended.status is FAILED
    assert ended.failure == "timed out after 1200 s; the last failure was: refused"


async def test_an_attempt_that_outlasts_the_time_of_its_call_is_told_as_such(web: Runtime) -> None:
    call = await start(web, "brief")

    async def outlast(sending: RunAttempt) -> RunOutcome:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(sending.timeout_s):
                await asyncio.Event().wait()
        return MaybeRun("no answer; it may have run")

    await web.workers.runs.run(call.call_id, outlast, N8n().look)

    ended = await read(web, call.call_id)
    assert ended.status is FAILED
    assert ended.failure == (
        "timed out after 1 s; the last failure was: no answer; it may have run"
    )


async def test_an_ended_call_is_not_sent_again(web: Runtime) -> None:
    call = await run(web, "stamp", Answered(1))
    n8n = N8n()

    await web.workers.runs.run(call.call_id, n8n, n8n.look)

    assert n8n.asked == []


async def test_a_call_that_is_cancelled_while_it_is_sent_stops_the_sending(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web)
    n8n = Silent()
    running = asyncio.create_task(worker.workers.runs.run(call.call_id, n8n, n8n.look))
    await n8n.asked.wait()

    cancelled = await web.mcp.calls.cancel(call.call_id, ALICE)

    await asyncio.wait_for(running, 20)
    assert n8n.was_cancelled
    assert cancelled.status is CallStatus.CANCELLED
    assert (await read(web, call.call_id)).status is CallStatus.CANCELLED


async def test_a_worker_that_breaks_off_a_sent_call_fails_it_and_says_so(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web)
    n8n = Silent()
    running = asyncio.create_task(worker.workers.runs.run(call.call_id, n8n, n8n.look))
    await n8n.asked.wait()

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    ended = await read(web, call.call_id)
    assert (ended.status, ended.failure) == (FAILED, INTERRUPTED)


async def test_a_worker_that_breaks_off_a_call_that_may_run_twice_lets_another_run_it(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "twice")
    n8n = Silent()
    running = asyncio.create_task(worker.workers.runs.run(call.call_id, n8n, n8n.look))
    await n8n.asked.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    await web.workers.runs.run(call.call_id, N8n(Answered(1)), N8n().look)

    ended = await read(web, call.call_id)
    assert (ended.status, ended.attempt) == (SUCCEEDED, 2)


async def test_two_workers_woken_for_one_call_send_it_once(web: Runtime, worker: Runtime) -> None:
    call = await start(web)
    n8n = N8n(*[Answered(1)] * 6)

    await asyncio.gather(
        *(each.workers.runs.run(call.call_id, n8n, n8n.look) for each in [web, worker] * 3)
    )

    assert len(n8n.asked) == 1


async def test_who_waits_for_a_call_in_another_process_hears_of_its_end(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web)
    waiting = asyncio.create_task(web.mcp.calls.wait(call.call_id, ALICE, 60))
    await wait_until(
        lambda: f"call:{call.call_id}" in web.workers.signals._waiting, "somebody waits"
    )

    await worker.workers.runs.run(call.call_id, N8n(Answered({"a": 1})), N8n().look)

    async with asyncio.timeout(10):
        assert (await waiting).result == b'{"a": 1}'


async def test_waiting_ends_with_the_time_given_for_it(web: Runtime) -> None:
    call = await start(web)

    assert (await web.mcp.calls.wait(call.call_id, ALICE, 0.05)).status is QUEUED


async def test_a_call_that_its_workflow_concludes_later_waits_without_a_worker(
    web: Runtime, worker: Runtime
) -> None:
    call = await start(web, "later")

    await worker.workers.runs.run(call.call_id, N8n(Answered({"executionId": 1})), N8n().look)

    meanwhile = await read(web, call.call_id)
    assert meanwhile.status is CallStatus.RUNNING
    assert await web.redis.exists(f"{{bridge}}:held:{worker.process}") == 0
