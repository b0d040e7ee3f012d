"""The one way tests wait: for a condition, never for a time."""

import asyncio
import inspect
from collections.abc import Callable

POLL_S = 0.02


async def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 10) -> None:
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
