"""The end of a task: also of one that forgets that it was cancelled."""

import asyncio

from bridge.ending import end


async def test_a_task_that_forgets_a_cancellation_ends_all_the_same() -> None:
    forgotten = 0

    async def forget() -> None:
        nonlocal forgotten
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if forgotten:
                    raise
                forgotten += 1

    forgetting = asyncio.create_task(forget())
    await asyncio.sleep(0)
    await end(forgetting)
    assert forgetting.cancelled()
    assert forgotten == 1


async def test_what_a_task_ended_with_is_nobody_s_concern() -> None:
    async def fail() -> None:
        raise RuntimeError("it broke")

    broken = asyncio.create_task(fail())
    await end(broken)
    assert broken.done()


async def test_there_may_be_nothing_to_end() -> None:
    await end()
