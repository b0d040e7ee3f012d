"""Claims on events: what a taker asks for, and the steps that bring it an event."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.errors import PausedError, TooManyTakersError
from bridge.models import Body, Event, EventId, LeaseToken, Principal, ProcessId, second
from bridge.store.events import EventRow
from bridge.store.pauses import read_pauses
from bridge.store.steps import Steps, step


@dataclass(frozen=True)
class ClaimRequest:
    """What a taker asks for: the server's hooks with their priorities; no `only` is any of them.

    It stands in line under the name `waiter` for `wait_s`, not at all for 0, and not as one more of
    its principal than `most`. `origin` is by which use of a tool it asks, as `origin_of` says it.
    """

    server: str
    hooks: Sequence[tuple[str, int]]
    only: Sequence[str]
    waiter: str
    wait_s: float = 0
    most: int = 1000
    origin: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines that it stands in."""
        return [f"hook-{hook}" for hook in self.only] or ["any"]


class TakenRow(NamedTuple):
    """An event with its payload, or why there is none.

    `in turn`: others stand in line for it; `too many`: one more may not wait, until `free_in_ms`;
    `none`: there is none to take, while some places are `paused`, which may be why.
    """

    outcome: str
    free_in_ms: int | None
    body: bytes | None
    event: EventRow | None
    paused: bytes | None

    def taken(self) -> tuple[Event, Body] | None:
        """Return the event and its payload."""
        if self.event is None or self.body is None:
            return None
        event = self.event.event()
        return event, Body(self.body, event.media_type)

    def demand_open(self, server: str, hooks: Sequence[str]) -> None:
        """Raise a PausedError where one of these hooks is paused."""
        for pause in read_pauses(self.paused):
            if any(pause.covers(server, hook) for hook in hooks):
                raise PausedError(pause.place, second(pause.at_ms))


class WaitingRow(NamedTuple):
    """How many takers of a process are on record, and which of them were given an event."""

    total: int
    named: list[str]


@step("claims.take")
async def _take(
    steps: Steps,
    *,
    server: str,
    hooks: Sequence[tuple[str, int]],
    lines: Sequence[str],
    token: LeaseToken,
    principal: str,
    process: ProcessId,
    waiter: str,
    wait_ms: int,
    most: int,
    origin: str,
) -> TakenRow | None:
    """Lease the oldest event of the highest priority, or stand in line for one."""


@step("claims.take_one")
async def _take_one(
    steps: Steps,
    *,
    event_id: EventId,
    token: LeaseToken,
    principal: str,
    process: ProcessId,
    origin: str,
) -> TakenRow | None:
    """Lease this very event."""


@step("claims.leave_line")
async def _leave_line(
    steps: Steps,
    *,
    process: ProcessId,
    waiter: str,
    token: LeaseToken,
    server: str,
    hooks: Sequence[str],
) -> None:
    """Leave the line, queue again what the token took, and wake the next for what is queued."""


@step("claims.waiting")
async def _waiting(steps: Steps, *, process: ProcessId) -> WaitingRow:
    """Count a process's waiters, and name those that were given an event."""


@step("waiters.match")
async def _match(steps: Steps, *, server: str, hooks: Sequence[tuple[str, int]]) -> None:
    """Serve those in line for whom an event is queued."""


@step("claims.handed_over")
async def _handed_over(steps: Steps, *, event_id: str, token: str) -> None:
    """Record that the taker has its event."""


@step("claims.hold")
async def _hold(steps: Steps, *, event_id: str, token: str, process: ProcessId) -> None:
    """Answer for an event on its way to its taker."""


@step("claims.abandon")
async def _abandon(steps: Steps, *, event_id: str, token: str) -> None:
    """Queue an event again whose taker never got it."""


class ClaimStore:
    """Speaks Redis for takers of events."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def take(
        self, wish: ClaimRequest, principal: Principal, token: LeaseToken
    ) -> tuple[Event, Body] | None:
        """Lease the oldest event of the highest priority that no earlier waiter will get.

        Without one the taker stands in line if it waits. The step that queues an event for it, or
        leases one with this token, signals `taker:WAITER`: to take again returns it.

        Raises:
            TooManyTakersError: as many of the principal wait as may.
            PausedError: there is none now, and a hook that it asks for is paused.
        """
        found = await self._take(wish, principal, token)
        while found and found.outcome == "in turn":
            # One behind the other in one round trip: what is left then is nobody's in line.
            _, found = await asyncio.gather(
                self.match(wish.server, wish.hooks), self._take(wish, principal, token)
            )
        if found and found.outcome == "too many":
            raise TooManyTakersError(wish.most, (found.free_in_ms or 0) / 1000)
        if found and found.paused:
            found.demand_open(wish.server, wish.only or [hook for hook, _ in wish.hooks])
        return found.taken() if found else None

    async def _take(
        self, wish: ClaimRequest, principal: Principal, token: LeaseToken
    ) -> TakenRow | None:
        return await _take(
            self._steps,
            server=wish.server,
            hooks=wish.hooks,
            lines=wish.lines,
            token=token,
            principal=principal.name,
            process=self._process,
            waiter=wish.waiter,
            wait_ms=math.ceil(wish.wait_s * 1000),
            most=wish.most,
            origin=wish.origin,
        )

    async def take_one(
        self, event_id: EventId, principal: Principal, token: LeaseToken, origin: str = ""
    ) -> tuple[Event, Body] | None:
        """Lease this very event, past all in line; None when it is not queued, or is paused."""
        found = await _take_one(
            self._steps,
            event_id=event_id,
            token=token,
            principal=principal.name,
            process=self._process,
            origin=origin,
        )
        return found.taken() if found else None

    async def leave_line(self, wish: ClaimRequest, token: LeaseToken) -> None:
        """Take a waiter out of line, and queue the event again that it may just have been given."""
        await _leave_line(
            self._steps,
            process=self._process,
            waiter=wish.waiter,
            token=token,
            server=wish.server,
            hooks=[hook for hook, _ in wish.hooks],
        )

    async def waiting(self) -> tuple[int, list[str]]:
        """Count this process's waiters on record, and name those that have been given an event."""
        found = await _waiting(self._steps, process=self._process)
        return found.total, found.named

    async def match(self, server: str, hooks: Sequence[tuple[str, int]]) -> None:
        """Lease events that are queued although somebody waits for them to those they are for."""
        await _match(self._steps, server=server, hooks=hooks)

    async def handed_over(self, event_id: str, token: str) -> None:
        """Record that the taker has the event: its lease no longer ends with a process."""
        await _handed_over(self._steps, event_id=event_id, token=token)

    async def hold(self, event_id: str, token: str) -> None:
        """Answer for an event on its way to its taker; one that came back is leased to it again."""
        await _hold(self._steps, event_id=event_id, token=token, process=self._process)

    async def abandon(self, event_id: str, token: str) -> None:
        """Queue an event again whose taker never got it; the attempt is not counted.

        One that was handed over stays with its taker.
        """
        await _abandon(self._steps, event_id=event_id, token=token)
