"""Wake-ups: what changed, heard by whoever waits for it in this process."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from typing_extensions import override

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
    """Wakes the one task that waits for it when any of its names is notified.

    It hears of its names while it is entered.
    """

    __slots__ = ("_names", "_notified", "_waiter", "_waiting")

    def __init__(self, waiting: "dict[str, list[Signal]]", names: tuple[str, ...]) -> None:
        self._waiting = waiting
        self._names = names
        self._notified: tuple[str, ...] = ()
        self._waiter: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        """Hear of the names from now on."""
        for name in self._names:
            self._waiting[name].append(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Hear of them no more."""
        for name in self._names:
            self._waiting[name].remove(self)
            if not self._waiting[name]:
                del self._waiting[name]

    def notify(self, name: str = "") -> None:
        """Wake the one who waits."""
        if name not in self._notified:
            self._notified += (name,)
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def notified(self) -> tuple[str, ...]:
        """Wait for a notification, however long it takes; return the names notified since."""
        if not self._notified:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        names, self._notified = self._notified, ()
        return names

    async def wait(self, timeout_s: float) -> tuple[str, ...]:
        """Wait for a notification, at most `timeout_s`; return the names, none when it is over."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.notified()
        except TimeoutError:
            return ()


class Callback(Signal):
    """Calls a function in place of waking a task, for what is waited for by thousands."""

    __slots__ = ("_called",)

    def __init__(
        self,
        waiting: "dict[str, list[Signal]]",
        names: tuple[str, ...],
        called: Callable[[], None],
    ) -> None:
        super().__init__(waiting, names)
        self._called = called

    @override
    def notify(self, name: str = "") -> None:
        """Call the function."""
        self._called()


class Signals:
    """Hears the wake channel once a process and notifies the signals of those who wait.

    A wake may be lost while the channel is not heard. A connection that brings nothing is pinged,
    and everyone is notified on reconnecting, so waiters need to look by themselves but seldom.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        # Lists, for nearly all names are waited for once, and a set of one is three times as big.
        self._waiting: defaultdict[str, list[Signal]] = defaultdict(list)

    def subscribed(self, *names: str) -> Signal:
        """Return a signal of these names, which hears of them while it is entered."""
        return Signal(self._waiting, names)

    def calling(self, called: Callable[[], None], *names: str) -> Callback:
        """Return a signal of these names that calls a function while it is entered."""
        return Callback(self._waiting, names, called)

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
                    async for message in messages(ear):
                        if message["type"] == "subscribe":
                            is_lost = False
                            ready.set()
                            self._notify_all()
                        elif message["type"] == "message":
                            self.notify_here(message["data"].decode())
            except (RedisError, OSError) as error:
                if not is_lost:
                    logger.warning("signals.lost", extra={"reason": sentence_of(error)})
                is_lost = True
            ready.set()
            await asyncio.sleep(PAUSE_S)

    def notify_here(self, name: str) -> None:
        """Wake everyone in this process who waits for this name."""
        for woken in tuple(self._waiting.get(name, ())):
            woken.notify(name)

    def notify_kind_here(self, kind: str) -> None:
        """Wake everyone in this process who waits for any name that begins with `kind:`."""
        for name in [name for name in self._waiting if name.startswith(f"{kind}:")]:
            self.notify_here(name)

    def _notify_all(self) -> None:
        for name, all_woken in self._waiting.items():
            for woken in all_woken:
                woken.notify(name)


async def messages(ear: PubSub) -> AsyncIterator[dict[str, Any]]:
    """Yield what a connection brings to which something is published.

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
