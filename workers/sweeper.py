"""The sweeper: brings on what time alone must bring on, in one process at a time.

It signals what is due, returns what leases no longer hold, and hands on what dead processes held. A
Redis that was away looks like the death of everyone, so nobody is declared dead until Redis has
answered without a gap for one whole life. Every process keeps that time, whosever turn it is: the
one to die may be the one that sweeps.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial

from bridge.errors import TransientError
from bridge.runtime import WorkerRuntime
from bridge.store.processes import LIFE_S, DeadProcess
from bridge.store.signals import Signal
from bridge.store.subscriptions import DUE

logger = logging.getLogger(__name__)

EVERY_S = 0.5
GAP_S = 2.0
DUE_AGAIN_S = 10.0
LIMIT = 500
GATHER_S = 5.0
"""How often calls are gathered for operators, and their bulk acts looked after."""
APPROVE_S = 1.0
"""How often calls that wait for somebody's approval are looked after."""


class Sweeper:
    """Sweeps for as long as it runs, whenever it is this process's turn."""

    def __init__(self, runtime: WorkerRuntime) -> None:
        self._runtime = runtime
        self._steady_since = math.inf
        self._last = -math.inf
        self._is_our_turn = False
        self._minute_ends_at = -math.inf
        self._gathers_at = -math.inf
        self._approves_at = -math.inf

    async def run(self) -> None:
        """Sweep until cancelled; a Redis that is away is waited for."""
        with self._runtime.signals.subscribed("due_calls", DUE) as woken:
            while True:
                await self._take(self._sweep_in_turn)
                await self._take(self._approve_in_turn)
                await self._pause(woken)

    async def _pause(self, woken: Signal) -> None:
        """Pause between sweeps; what becomes due meanwhile is woken at once."""
        ends_at = _now() + EVERY_S
        while (left_s := ends_at - _now()) > 0:
            if await woken.wait(left_s) and self._is_our_turn:
                await self._take(self._wake_calls)
                await self._take(self._wake_deliveries)

    async def _take(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            with contextlib.suppress(TransientError):
                await step()
        except Exception:  # what one step trips over must not end all sweeping
            logger.exception("sweep.failed")

    async def _sweep_in_turn(self) -> None:
        runtime = self._runtime
        self._is_our_turn = await runtime.stores.processes.rules()
        is_steady = self._has_been_steady()
        if not self._is_our_turn:
            return
        await runtime.stores.events.sweep()
        if await runtime.queue.length() < LIMIT:
            await self._wake_calls()
            await self._wake(
                "deliver_reply", await runtime.stores.replies.sweep(LIMIT, DUE_AGAIN_S)
            )
            await self._wake_deliveries()
        if _now() >= self._gathers_at:
            more = await runtime.stores.operators.gather_calls()
            await self._wake("run_bulk", await runtime.bulks.due(LIMIT, DUE_AGAIN_S))
            self._gathers_at = _now() + (0 if more else GATHER_S)
        if is_steady:
            dead = await runtime.stores.processes.dead()
            # An answer that was long in coming tells of an outage, not of deaths.
            for dead_process in dead if self._has_been_steady() else ():
                await self._hand_on(dead_process)
        if _now() >= self._minute_ends_at:
            self._minute_ends_at = _now() + await runtime.stores.minutes.keep()

    async def _approve_in_turn(self) -> None:
        if self._is_our_turn and _now() >= self._approves_at:
            self._approves_at = _now() + APPROVE_S
            for due in await self._runtime.approvals.due(LIMIT, DUE_AGAIN_S):
                await self._take(partial(self._runtime.approvals.look, due))

    async def _wake_calls(self) -> None:
        await self._wake("run_call", await self._runtime.stores.runs.sweep(LIMIT, DUE_AGAIN_S))

    async def _wake_deliveries(self) -> None:
        due = await self._runtime.stores.subscriptions.sweep(LIMIT, DUE_AGAIN_S)
        await self._wake("deliver_occurrences", due)

    async def _wake(self, job: str, ids: list[str]) -> None:
        if ids:
            await self._runtime.queue.wake(job, *ids)

    def _has_been_steady(self) -> bool:
        now = _now()
        if now - self._last > GAP_S:
            self._steady_since = now
        self._last = now
        return now - self._steady_since > LIFE_S

    async def _hand_on(self, dead_process: DeadProcess) -> None:
        runtime = self._runtime
        abandon = {
            "event": runtime.stores.claims.abandon,
            "call": runtime.stores.runs.abandon,
            "reply": runtime.stores.replies.abandon,
            "subscription": runtime.stores.subscriptions.abandon,
        }
        await asyncio.gather(
            *(abandon[kind](subject, token) for kind, subject, token in dead_process.held)
        )
        await runtime.stores.processes.forget(dead_process)
        logger.warning(
            "process.died",
            extra={"process_id": dead_process.process, "handed_on": len(dead_process.held)},
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
