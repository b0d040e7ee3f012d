"""What waits when its process drains, and cannot go on at another one, answers early."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

LAST_WAIT_S = 1.5
"""How long a call of a workflow is still waited for, so that short ones bring their result."""


async def unless_leaving(leaving: asyncio.Event, waiting: Coroutine[Any, Any, T]) -> T | None:
    """Wait for something; give it up, and give None, once the process is `leaving`."""
    waited = asyncio.ensure_future(waiting)
    left = asyncio.ensure_future(leaving.wait())
    try:
        await asyncio.wait({waited, left}, return_when=asyncio.FIRST_COMPLETED)
        return waited.result() if waited.done() else None
    finally:
        left.cancel()
        waited.cancel()
        await asyncio.gather(left, waited, return_exceptions=True)
