"""The calls that a worker runs: work on one ends once the call is not this worker's any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

from bridge.ending import end
from bridge.models import CallId, CallStatus
from bridge.store.runs import RunStore
from bridge.store.signals import Signals

LEASE_CHECK_S = 30.0
READ_AT_ONCE = 64

T = TypeVar("T")


class _Held:
    """Work on a call, and the task that does it."""

    __slots__ = ("_changed", "call_id", "has_changed", "is_ended", "is_handed_over", "task")

    def __init__(
        self, call_id: CallId, changed: asyncio.Event, *, is_handed_over: bool = False
    ) -> None:
        task = asyncio.current_task()
        assert task
        self.task: asyncio.Task[object] = task
        self.call_id = call_id
        self.is_handed_over = is_handed_over
        self.is_ended = self.has_changed = False
        self._changed = changed

    def change(self) -> None:
        """Have the call looked at."""
        self.has_changed = True
        self._changed.set()

    def end(self) -> None:
        """End the work, once."""
        if not self.is_ended:
            self.is_ended = True
            self.task.cancel()


class HeldCalls:
    """Looks after all calls of a process together.

    Thousands wait for long: a task and a timer of its own for each would be a third of its memory.
    """

    def __init__(self, store: RunStore, signals: Signals) -> None:
        self._store = store
        self._signals = signals
        self._held: set[_Held] = set()
        self._changed = asyncio.Event()
        self._is_handing_over = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep looking after the calls while the block lasts."""
        looking = asyncio.create_task(self._look(), name="held calls")
        try:
            yield
        finally:
            await end(looking)

    def hand_over(self) -> None:
        """End from now on the work that another process can go on with as it is."""
        self._is_handing_over = True
        for held in self._held:
            if held.is_handed_over:
                held.end()

    @property
    def is_handing_over(self) -> bool:
        """Whether such work ends at once."""
        return self._is_handing_over

    async def do(
        self, call_id: CallId, work: Coroutine[Any, Any, T], *, is_handed_over: bool = False
    ) -> T | None:
        """Do this until the call is cancelled or taken over, or handed over; None when it was."""
        if is_handed_over and self._is_handing_over:
            work.close()
            return None
        held = _Held(call_id, self._changed, is_handed_over=is_handed_over)
        self._held.add(held)
        try:
            with self._signals.calling(held.change, f"call:{call_id}"):
                return await work
        except asyncio.CancelledError:
            # That somebody else ends the task as well, counts for more.
            if held.is_ended and held.task.cancelling() == 1:
                return None
            raise
        finally:
            self._held.discard(held)
            if held.is_ended:
                held.task.uncancel()

    async def _look(self) -> None:
        """Look at each call that may have changed, and at all of them now and then."""
        loop = asyncio.get_running_loop()
        all_at = loop.time() + LEASE_CHECK_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(all_at):
                    await self._changed.wait()
            self._changed.clear()
            # Where some change all the time, the others are looked at all the same.
            if is_due := loop.time() >= all_at:
                all_at = loop.time() + LEASE_CHECK_S
            await self._end_lost([held for held in self._held if is_due or held.has_changed])

    async def _end_lost(self, all_held: Sequence[_Held]) -> None:
        """End the work on those that do not run; one that Redis says nothing of goes on."""
        for first in range(0, len(all_held), READ_AT_ONCE):
            some = all_held[first : first + READ_AT_ONCE]
            for held in some:
                held.has_changed = False
            reads = (self._store.status(held.call_id) for held in some)
            found = await asyncio.gather(*reads, return_exceptions=True)
            for held, status in zip(some, found, strict=True):
                if status is not CallStatus.RUNNING and not isinstance(status, BaseException):
                    held.end()
