"""Wake-ups: what changed, heard by whoever waits for it in this process."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from bridge.ending import end
from bridge.redis_faults import sentence_of
from bridge.store.keys import WAKE_CHANNEL

logger = logging.getLogger(__name__)

PAUSE_S = 0.2
SILENCE_S = 5.0
"""How long the channel may be silent before a ping finds out whether it is still heard."""
LOOK_AGAIN_S = 300.0
"""How soon one looks again whose wake may be lost, though the channel was heard all along."""


class Signal:
    """Rings when the thing it was hung for has changed."""

    def __init__(self) -> None:
        self._notified = asyncio.Event()

    def notify(self) -> None:
        """Wake the one who waits."""
        self._notified.set()

    async def notified(self) -> None:
        """Wait for a ring, however long it takes."""
        await self._notified.wait()
        self._notified.clear()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a ring, at most `timeout_s`; True when it rang."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.notified()
        except TimeoutError:
            return False
        return True


class Signals:
    """Hears the wake channel once a process and rings the all_woken of those who wait.

    A wake may be lost while the channel is not heard. A connection that brings nothing is pinged,
    and everyone is rung on reconnecting, so waiters need to look by themselves but seldom.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: defaultdict[str, set[Signal]] = defaultdict(set)

    @contextlib.contextmanager
    def subscribed(self, *names: str) -> Iterator[Signal]:
        """Hang one woken for these names while the block lasts."""
        woken = Signal()
        for name in names:
            self._waiting[name].add(woken)
        try:
            yield woken
        finally:
            for name in names:
                self._waiting[name].discard(woken)
                if not self._waiting[name]:
                    del self._waiting[name]

    async def notify(self, name: str) -> None:
        """Wake everyone, in every process, who waits for this name."""
        with contextlib.suppress(RedisError, OSError):
            await self._redis.publish(WAKE_CHANNEL, name)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep hearing while the block lasts."""
        ready = asyncio.Event()
        ear = asyncio.create_task(self._hear(ready), name="signals")
        try:
            await asyncio.wait(
                [ear, asyncio.create_task(ready.wait())], return_when="FIRST_COMPLETED"
            )
            yield
        finally:
            await end(ear)

    async def _hear(self, ready: asyncio.Event) -> None:
        is_lost = False
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=False) as ear:
                    await ear.subscribe(WAKE_CHANNEL)
                    async for message in _messages(ear):
                        if message["type"] == "subscribe":
                            is_lost = False
                            ready.set()
                            self._notify_all()
                        elif message["type"] == "message":
                            self._notify(message["data"].decode())
            except (RedisError, OSError) as error:
                if not is_lost:
                    logger.warning("signals.lost", extra={"reason": sentence_of(error)})
                is_lost = True
            ready.set()
            await asyncio.sleep(PAUSE_S)

    def _notify(self, name: str) -> None:
        for woken in tuple(self._waiting.get(name, ())):
            woken.notify()

    def _notify_all(self) -> None:
        for all_woken in self._waiting.values():
            for woken in all_woken:
                woken.notify()


async def _messages(ear: PubSub) -> AsyncIterator[dict[str, Any]]:
    """Yield what a connection brings.

    Raises:
        RedisError: it is silent, and does not even answer a ping.
    """
    is_pinged = False
    while True:
        message = await ear.get_message(timeout=SILENCE_S)
        if message is not None:
            is_pinged = False
            yield message
        elif is_pinged:
            raise RedisError("the wake channel is silent")
        else:
            is_pinged = True
            await ear.ping()
