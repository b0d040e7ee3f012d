"""What is rung on the wake channel, heard by a test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from redis.asyncio import Redis

from bridge.ending import end

CHANNEL = "{bridge}:wake"
"""Written out, as NAMES are: processes of an earlier version listen here, and for these."""

NAMES = frozenset(
    {
        "call",
        "due_subscriptions",
        "event",
        "events",
        "left",
        "outbox",
        "reader",
        "session",
        "taker",
    }
)


@contextlib.asynccontextmanager
async def heard(url: str) -> AsyncIterator[set[str]]:
    """Gather what is rung while the block lasts: the names up to their first colon."""
    names: set[str] = set()
    async with Redis.from_url(url) as redis, redis.pubsub() as ear:
        await ear.subscribe(CHANNEL)

        async def listen() -> None:
            async for message in ear.listen():
                if message["type"] == "message":
                    names.add(message["data"].decode().partition(":")[0])

        listening = asyncio.create_task(listen())
        try:
            yield names
        finally:
            await end(listening)
