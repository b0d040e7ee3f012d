"""The verbs of direct replies: wait with the sender, hand the reply over or leave it to be sent."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bridge.errors import NotFoundError, TransientError
from bridge.models import Event, EventId, EventStatus, LeaseToken, ReplyStatus
from bridge.queue import Queue
from bridge.store.replies import DirectReplyStore
from bridge.store.wake import Wakes

T = TypeVar("T")
LOOK_AGAIN_S = 5.0
PAUSE_S = 0.5
_OPEN = (EventStatus.QUEUED, EventStatus.LEASED)


class DirectReplies:
    """Decides whether a reply has gone back with the request that asked for it.

    While the sender of an event waits, its process holds the reply's lease, so nothing goes to the
    reply address. Only an answer that was surely written settles the reply; in any doubt, the death
    of the process included, the lease is let go and the reply is sent to its address.
    """

    def __init__(self, store: DirectReplyStore, wakes: Wakes, queue: Queue) -> None:
        self._store = store
        self._wakes = wakes
        self._queue = queue

    async def wait(self, event: Event, token: LeaseToken, wait_s: float) -> Event:
        """Wait until an event is open no more, at most `wait_s`; cancelled, it lets the reply go.

        A store that is away meanwhile is waited for like the reply.

        Raises:
            NotFoundError: the event is gone.
        """
        ends_at = _now() + wait_s
        try:
            with self._wakes.listening(f"event:{event.event_id}") as bell:
                while True:
                    with contextlib.suppress(TransientError):
                        event = await self._look(event.event_id, token)
                    left_s = ends_at - _now()
                    if event.status not in _OPEN or left_s <= 0:
                        return event
                    await bell.wait(min(left_s, LOOK_AGAIN_S))
        except BaseException:
            await self._let_go(event.event_id, token, perhaps_arrived=False)
            raise

    async def _look(self, event_id: EventId, token: LeaseToken) -> Event:
        event = await self._store.look(event_id, token)
        if event is None:
            raise NotFoundError("no such event")
        return event

    async def settle(self, event: Event, token: LeaseToken, *, is_written: bool) -> None:
        """End the waiting when the answer is out: a reply that was surely written is settled."""
        is_told = event.reply.status == ReplyStatus.PENDING
        if is_told and is_written:
            await _surely(lambda: self._store.handed_over(event.event_id, token))
        else:
            await self._let_go(event.event_id, token, perhaps_arrived=is_told)

    async def _let_go(self, event_id: EventId, token: LeaseToken, *, perhaps_arrived: bool) -> None:
        """Leave the reply to its address."""
        if await _surely(lambda: self._store.let_go(event_id, token, unknown=perhaps_arrived)):
            await self._queue.wake("deliver_reply", event_id)


async def _surely(step: Callable[[], Awaitable[T]]) -> T:
    """Take a step, however long the store is away: nobody else ends a living process's lease."""
    while True:
        try:
            return await step()
        except TransientError:
            await asyncio.sleep(PAUSE_S)


def _now() -> float:
    return asyncio.get_running_loop().time()
