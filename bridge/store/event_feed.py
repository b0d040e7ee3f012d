"""Events as they come: read on from any place, and told to sessions until they are taken."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.models import Event, EventStatus, ProcessId
from bridge.store.events import EventRow
from bridge.store.steps import Steps, step

STATUSES = (*EventStatus, "delayed")


class AfterRow(NamedTuple):
    """What came behind a place: from `start` to `last`, both order numbers."""

    last: str
    is_cut: bool
    rows: list[EventRow]
    start: str


@step("arrivals.after")
async def _after(
    steps: Steps,
    *,
    server: str,
    hook: str,
    place: str | None,
    limit: int,
    kept_ms: int,
    statuses: Sequence[str],
) -> AfterRow:
    """Read at most `limit` events of each status behind a place."""


@dataclass(frozen=True)
class ArrivalPage:
    """Some events in the order they came, from behind `start` up to `place`, where to read on.

    `is_cut` says that `start` is later than was asked for: what came before it is too old.
    """

    events: list[Event]
    start: str
    place: str
    has_more: bool
    is_cut: bool


class ArrivalStore:
    """Speaks Redis for what has come on a hook."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def after(
        self, server: str, hook: str, place: str | None, limit: int, kept_s: float
    ) -> ArrivalPage:
        """Read at most `limit` events behind a place, none older than `kept_s`.

        Without a place none are read: it is the one behind all that has come.
        """
        found = await _after(
            self._steps,
            server=server,
            hook=hook,
            place=place,
            limit=limit + 1,
            kept_ms=round(kept_s * 1000),
            statuses=STATUSES,
        )
        events = sorted((row.event() for row in found.rows), key=lambda event: event.order)
        has_more = len(events) > limit
        behind = str(events[limit - 1].order) if has_more else found.last
        return ArrivalPage(events[:limit], found.start, behind, has_more, found.is_cut)


class DueRow(NamedTuple):
    """The events to tell now, and in how many milliseconds more is."""

    next_ms: int | None
    rows: list[EventRow]


@step("pushes.due")
async def _due(
    steps: Steps,
    *,
    server: str,
    hooks: Sequence[str],
    watcher: str,
    token: str,
    most: int,
    first_ms: int,
    longest_ms: int,
    turn_ms: int,
) -> DueRow:
    """Claim what is to be told now."""


@step("pushes.leave")
async def _leave(steps: Steps, *, server: str, hooks: Sequence[str], watcher: str) -> None:
    """Leave the lines of hooks."""


class PushTimes(NamedTuple):
    """How soon an event is told again, at first and at most; how long it is left to who is next."""

    first_s: float
    longest_s: float
    turn_s: float


class PushStore:
    """Speaks Redis for pushes; watchers are named by their process."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    def new_watcher(self) -> str:
        """Mint the name of one who tells a session of events."""
        return f"{self._process}/{secrets.token_hex(8)}"

    async def due(
        self,
        server: str,
        hooks: Sequence[str],
        watcher: str,
        wish: str,
        most: int,
        times: PushTimes,
    ) -> tuple[list[Event], float | None]:
        """Claim what a watcher is to tell now of the `most` first events.

        Returns these, and in how many seconds more is to be told.

        The next time an event is due comes after the first pause, then after twice as long each
        time, up to the longest; an event that was taken and came back begins anew, and one whose
        watcher has left is due at once. The same `wish` again is the same one.
        """
        found = await _due(
            self._steps,
            server=server,
            hooks=hooks,
            watcher=watcher,
            token=f"{watcher}.{wish}",
            most=most,
            first_ms=round(times.first_s * 1000),
            longest_ms=round(times.longest_s * 1000),
            turn_ms=round(times.turn_s * 1000),
        )
        next_s = None if found.next_ms is None else found.next_ms / 1000
        return [row.event() for row in found.rows], next_s

    async def leave(self, server: str, hooks: Sequence[str], watcher: str) -> None:
        """Have a watcher tell nothing more; what it told and nobody took is for others."""
        await _leave(self._steps, server=server, hooks=hooks, watcher=watcher)
