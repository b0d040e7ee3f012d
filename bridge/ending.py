"""The end of tasks: cancelled until they are over."""

import asyncio
from collections.abc import Coroutine
from typing import Any

AGAIN_S = 0.2


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended, whatever they raise.

    Once may not be enough: `asyncio.wait_for`, by which redis-py sends, forgets a cancellation that
    comes just as it ends (python/cpython#86296; mended in Python 3.12).
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


class BackgroundTasks:
    """Work that outlives what began it; it ends with the process at the latest."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin a piece of work."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def end(self) -> None:
        """Cancel what still runs and wait for it to end."""
        await end(*self._running)
