"""Held calls: work on a call ends once the call is not its process's any more, and not else."""

import asyncio

import pytest

from bridge.models import CallId
from bridge.runtime import Runtime
from bridge.verbs import held_calls
from bridge.verbs.held_calls import HeldCalls
from tests.verbs.desk import ALICE, start
from tests.verbs.n8n import Silent
from tests.waiting import wait_until


async def test_each_of_many_calls_ends_alone_when_it_is_cancelled(
    web: Runtime, worker: Runtime
) -> None:
    calls = [await start(web, workflow) for workflow in ("stamp", "typed", "paged")]
    silent = [Silent() for _ in calls]
    running = [
        asyncio.create_task(worker.workers.runs.run(call.call_id, one, one.look))
        for call, one in zip(calls, silent, strict=True)
    ]
    await asyncio.gather(*(one.asked.wait() for one in silent))

    await web.mcp.calls.cancel(calls[1].call_id, ALICE)
    await running[1]

    assert [one.was_cancelled for one in silent] == [False, True, False]
    assert not running[0].done()
    assert not running[2].done()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_call_that_is_lost_unheard_is_found_though_others_change_all_the_time(
    web: Runtime, worker: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_calls, "LEASE_CHECK_S", 0.2)
    busy, silent = await start(web, "stamp"), Silent()
    running = asyncio.create_task(worker.workers.runs.run(busy.call_id, silent, silent.look))
    await silent.asked.wait()
    held = HeldCalls(worker.workers.stores.runs, worker.workers.signals)
    async with held.running():
        changing = asyncio.create_task(held.do(busy.call_id, asyncio.Event().wait()))
        lost = asyncio.create_task(held.do(CallId("call_unknown"), asyncio.Event().wait()))

        async def is_found() -> bool:
            worker.workers.signals.notify_here(f"call:{busy.call_id}")
            return lost.done()

        await wait_until(is_found, "the lost call is found")
        assert not changing.done()
        for task in (running, changing):
            task.cancel()
        await asyncio.gather(running, changing, return_exceptions=True)


async def test_work_that_was_ended_leaves_its_task_as_it_was(worker: Runtime) -> None:
    began = asyncio.Event()

    async def work() -> bool:
        began.set()
        return await asyncio.Event().wait()

    async def job(held: HeldCalls) -> int:
        assert await held.do(CallId("call_unknown"), work()) is None
        task = asyncio.current_task()
        assert task
        await asyncio.sleep(0)
        return task.cancelling()

    held = HeldCalls(worker.workers.stores.runs, worker.workers.signals)
    async with held.running():
        task = asyncio.create_task(job(held))
        await began.wait()
        worker.workers.signals.notify_here("call:call_unknown")

        assert await task == 0


async def test_who_ends_the_task_itself_is_heard_though_the_call_is_lost_too(
    worker: Runtime,
) -> None:
    began = asyncio.Event()

    async def work() -> bool:
        began.set()
        return await asyncio.Event().wait()

    held = HeldCalls(worker.workers.stores.runs, worker.workers.signals)
    task = asyncio.create_task(held.do(CallId("call_1"), work(), is_handed_over=True))
    await began.wait()
    held.hand_over()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1


async def test_what_others_can_go_on_with_is_not_begun_by_a_process_that_hands_over(
    worker: Runtime,
) -> None:
    has_begun = False

    async def work() -> bool:
        nonlocal has_begun
        has_begun = True
        return has_begun

    held = HeldCalls(worker.workers.stores.runs, worker.workers.signals)
    held.hand_over()

    assert await held.do(CallId("call_1"), work(), is_handed_over=True) is None
    assert not has_begun
