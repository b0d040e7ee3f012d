"""The one way tests wait: for a condition, never for a time."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis.asyncio import Redis

from bridge.store.keys import PREFIX
from bridge.store.steps import Steps

POLL_S = 0.02


async def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 15) -> None:
    """Return the moment `condition` (plain or async) is true; if late, fail and name `what`."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await truth(condition):
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {timeout_s} s") from None


async def truth(condition: Callable[[], object]) -> bool:
    """Ask once."""
    held = condition()
    return bool(await held if inspect.isawaitable(held) else held)


@contextmanager
def impatient(steps: Steps) -> Iterator[None]:
    """Have steps that are asked for while Redis is away given up soon, and those before not."""
    patience_s, steps.patience_s = steps.patience_s, 0.2
    try:
        yield
    finally:
        steps.patience_s = patience_s


async def takers_in_line(redis: Redis) -> int:
    """Count the takers of all processes that wait for an event."""
    keys = [key async for key in redis.scan_iter(f"{PREFIX}takers:*")]
    return sum([await redis.hlen(key) for key in keys])


async def commands(redis: Redis) -> int:
    """Count the commands that Redis has run, those within steps included, but for INFO."""
    stats = await redis.info("commandstats")
    return sum(row["calls"] for name, row in stats.items() if name != "cmdstat_info")
