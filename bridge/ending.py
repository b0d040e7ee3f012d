"""The end of a task: cancelled until it is over."""

import asyncio
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
