"""Who watches hears of each change, whoever else begins to watch meanwhile."""

import asyncio
from contextlib import AsyncExitStack

from bridge.ending import BackgroundTasks
from bridge.runtime import Runtime
from bridge.store.signals import Signal
from bridge.verbs.changes import Changes, Watched, WatchedKind
from tests.store.records import new_event

EVENTS = Watched(WatchedKind.EVENTS)


async def test_a_change_between_the_beginnings_of_two_is_told_to_the_first(web: Runtime) -> None:
    tasks = BackgroundTasks()
    changes = Changes.of(web.steps, web.workers.signals, tasks)

    async with AsyncExitStack() as stack:

        async def watch() -> Signal:
            return await stack.enter_async_context(changes.watching(EVENTS))

        # One batch of steps, taken in this order.
        first, _, _ = await asyncio.gather(watch(), web.stores.events.accept(new_event()), watch())
        assert EVENTS.signal in await first.wait(10)
    await tasks.end()
