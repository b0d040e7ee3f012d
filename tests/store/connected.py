"""All kinds of connections that a process has to Redis, at work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import redis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.ending import end
from bridge.errors import StoreUnavailableError
from bridge.store.identity import IdentityStore
from bridge.store.keys import WAKE_CHANNEL
from bridge.store.pool import RedisConnections
from bridge.store.round_trips import RoundTrips
from bridge.store.steps import Steps
from tests.sentinels import Server

PATIENCE_S = 1.0
NAMES = ("by-client", "kept", "by-thread")


@dataclass
class Connected:
    """One of each kind, all of them open."""

    client: Redis
    steps: Steps
    kept: RoundTrips
    blocking: redis.Redis
    heard: list[str]

    async def works(self, value: str) -> bool:
        """Write by each of them; report whether all did, and what is published is heard."""
        try:
            await IdentityStore(self.steps).read("any")
            await self.client.set("by-client", value)
            await self.kept.take([("SET", "kept", value)])
            await asyncio.to_thread(self.blocking.set, "by-thread", value)
            await self.client.publish(WAKE_CHANNEL, value)
        except (RedisError, StoreUnavailableError):
            return False
        return value in self.heard

    async def works_on(self, server: Server, value: str) -> bool:
        """Report whether all of them write there, and hear from there."""
        works = await self.works(value)
        return works and [await server.ask("GET", name) for name in NAMES] == [value] * len(NAMES)


@contextlib.asynccontextmanager
async def connecting(url: str, replicas_min: int = 0) -> AsyncIterator[Connected]:
    """Connect as a process does."""
    connections, heard = RedisConnections(url), list[str]()
    client, ear = connections.client, connections.listener()
    steps = Steps(client, PATIENCE_S, replicas_min=replicas_min)

    async def hear() -> None:
        while True:
            with contextlib.suppress(RedisError):
                async with ear.pubsub() as channel:
                    await channel.subscribe(WAKE_CHANNEL)
                    async for message in channel.listen():
                        if message["type"] == "message":
                            heard.append(message["data"].decode())
            await asyncio.sleep(0.05)

    async with connections.following(steps), ear, steps.running(), RoundTrips(client) as kept:
        hearing = asyncio.create_task(hear())
        with connections.blocking(2) as blocking:
            yield Connected(client, steps, kept, blocking, heard)
        await end(hearing)
