"""The takers of this process that wait: woken one by one, and looked after all together.

The step that queues an event names the taker it is for and wakes that one. A wake may be lost, and
Redis may lose sight of a whole process for a while; so one look for all of them finds who was named
without hearing of it, and whether all of them still stand in line. What it costs does not depend on
how many wait.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator

from bridge.ending import end
from bridge.errors import TransientError
from bridge.models import LeaseToken
from bridge.store.claims import ClaimStore, Wish
from bridge.store.wake import Bell, Wakes

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0


class Waiters:
    """Knows who waits in this process."""

    def __init__(self, store: ClaimStore, wakes: Wakes) -> None:
        self._store = store
        self._wakes = wakes
        self._bells: dict[str, Bell] = {}
        self._in_line: dict[str, Wish] = {}
        self._leaving: set[tuple[str, LeaseToken]] = set()

    @contextlib.contextmanager
    def listening(self, waiter: str, *names: str) -> Iterator[Bell]:
        """Hang the bell of one waiter while the block lasts, for these names too."""
        with self._wakes.listening(f"taker:{waiter}", *names) as bell:
            self._bells[waiter] = bell
            try:
                yield bell
            finally:
                del self._bells[waiter]

    def stands(self, wish: Wish) -> None:
        """Note that a waiter has its place in line."""
        self._in_line[wish.waiter] = wish

    def took(self, wish: Wish) -> None:
        """Note that a waiter was served, and so has left the line."""
        self._in_line.pop(wish.waiter, None)

    def leave_later(self, wish: Wish, token: LeaseToken) -> None:
        """Give up a waiter's place once Redis answers again."""
        self._in_line.pop(wish.waiter, None)
        self._leaving.add((wish.waiter, token))

    async def leave(self, wish: Wish, token: LeaseToken) -> None:
        """Give up a waiter's place; tried again later while Redis does not answer."""
        self.leave_later(wish, token)
        await self._leave(wish.waiter, token)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the waiters while the block lasts."""
        looking = asyncio.create_task(self._look_again(), name="waiters")
        try:
            yield
        finally:
            await end(looking)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            try:
                with contextlib.suppress(TransientError):
                    await self._look()
            except Exception:  # what one look trips over must not end all looking
                logger.exception("waiters.look_failed")

    async def _look(self) -> None:
        for waiter, token in tuple(self._leaving):
            await self._leave(waiter, token)
        if not self._in_line:
            return
        expected = len(self._in_line)
        counted, named = await self._store.waiting()
        # One more may have joined since; that there are fewer can only mean that some are lost.
        for waiter in named if counted >= expected else tuple(self._bells):
            if bell := self._bells.get(waiter):
                bell.ring()
        for server, hooks in {each.server: each.hooks for each in self._in_line.values()}.items():
            await self._store.match(server, hooks)

    async def _leave(self, waiter: str, token: LeaseToken) -> None:
        await self._store.leave_line(waiter, token)
        self._leaving.discard((waiter, token))
