"""Progress while a tool waits, so that no client's idle timer ends the call."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from bridge.mcp.tools import Context

FIRST_S, EVERY_S = 3.0, 10.0


@contextlib.asynccontextmanager
async def telling(context: Context, what: str) -> AsyncIterator[None]:
    """Tell every few seconds that something still waits, while the block lasts."""
    teller = asyncio.create_task(_tell(context, what))
    try:
        yield
    finally:
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)


async def _tell(context: Context, what: str) -> None:
    waited_s, pause_s = 0.0, FIRST_S
    while True:
        await asyncio.sleep(pause_s)
        waited_s, pause_s = waited_s + pause_s, EVERY_S
        await context.session.report_progress(waited_s, message=f"{what}: {waited_s:.0f} s so far")
