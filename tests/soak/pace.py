"""Work that begins at a rate, whatever the work before it takes."""

import asyncio
from collections.abc import Awaitable, Callable

AT_ONCE = 200
"""The most that one actor has under way; a bridge that stands still is not buried."""


async def at_rate(rate: float, seconds: float, one: Callable[[int], Awaitable[None]]) -> None:
    """Begin `one` so many times a second, then wait for all that has begun."""
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(AT_ONCE)
    begun_at = loop.time()

    async def run(number: int) -> None:
        try:
            await one(number)
        finally:
            room.release()

    async with asyncio.TaskGroup() as group:
        for number in range(round(rate * seconds)):
            await asyncio.sleep(begun_at + number / rate - loop.time())
            await room.acquire()
            group.create_task(run(number))
