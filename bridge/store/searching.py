"""Records as operators look for them: of all principals, newest first, some way back in a step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.store.calls import CallRow
from bridge.store.events import EventRow
from bridge.store.steps import Steps, step

LOOK_AT = 1000
"""So many records, or some more, are looked at in one step."""


@dataclass(frozen=True)
class WantedEvents:
    """Which events are looked for: of these (server, hook), in one of these statuses.

    `replies` are statuses of their replies; none stands for any, as an empty text does. `principal`
    took it last, `text` is in an id or the summary, `since` is the least order number.
    """

    places: Sequence[tuple[str, str]]
    statuses: Sequence[str]
    replies: Sequence[str]
    principal: str
    text: str
    since: int


@dataclass(frozen=True)
class WantedCalls:
    """Which calls are looked for: of these (server, principal), in one of these statuses."""

    callers: Sequence[tuple[str, str]]
    statuses: Sequence[str]
    workflow: str
    text: str
    since: int


class FoundEvents(NamedTuple):
    """Some events, and the order number to look on from; None where no more are left."""

    rows: list[EventRow]
    next: int | None


class FoundCalls(NamedTuple):
    """The same of calls."""

    rows: list[CallRow]
    next: int | None


class Counted(NamedTuple):
    """How many of those looked at have each status, and the order number to look on from."""

    counts: dict[str, int]
    next: int | None


class CountRow(NamedTuple):
    """How many have a status."""

    status: str
    number: int


class CountsRow(NamedTuple):
    """The counts of one step."""

    counts: list[CountRow]
    next: int | None

    def counted(self) -> Counted:
        """Return the counts by status."""
        return Counted(dict(self.counts), self.next)


@step("searching.events")
async def _events(
    steps: Steps, *, wanted: WantedEvents, before: str, look_at: int, limit: int
) -> FoundEvents:
    """Find events that are older than `before`."""


@step("searching.count_events")
async def _count_events(
    steps: Steps, *, wanted: WantedEvents, before: str, look_at: int
) -> CountsRow:
    """Count events that are older than `before`."""


@step("searching.calls")
async def _calls(
    steps: Steps, *, wanted: WantedCalls, before: str, look_at: int, limit: int
) -> FoundCalls:
    """Find calls that are older than `before`."""


@step("searching.count_calls")
async def _count_calls(
    steps: Steps, *, wanted: WantedCalls, before: str, look_at: int
) -> CountsRow:
    """Count calls that are older than `before`."""


class SearchStore:
    """Speaks Redis for searches: each of its methods looks at some `look_at` records.

    `before` is the order number to look on from; None begins with the newest.
    """

    def __init__(self, steps: Steps, look_at: int = LOOK_AT) -> None:
        self._steps = steps
        self._look_at = look_at

    async def events(self, wanted: WantedEvents, before: int | None, limit: int) -> FoundEvents:
        """Find at most `limit` events, newest first, without payloads and answers."""
        return await _events(
            self._steps, wanted=wanted, before=_spelled(before), look_at=self._look_at, limit=limit
        )

    async def count_events(self, wanted: WantedEvents, before: int | None) -> Counted:
        """Count events by their status, or that of their replies where these are wanted."""
        row = await _count_events(
            self._steps, wanted=wanted, before=_spelled(before), look_at=self._look_at
        )
        return row.counted()

    async def calls(self, wanted: WantedCalls, before: int | None, limit: int) -> FoundCalls:
        """Find at most `limit` calls, newest first, without arguments and results."""
        return await _calls(
            self._steps, wanted=wanted, before=_spelled(before), look_at=self._look_at, limit=limit
        )

    async def count_calls(self, wanted: WantedCalls, before: int | None) -> Counted:
        """Count calls by their status."""
        row = await _count_calls(
            self._steps, wanted=wanted, before=_spelled(before), look_at=self._look_at
        )
        return row.counted()


def _spelled(before: int | None) -> str:
    return "+inf" if before is None else str(before)
