"""Events in the order they came, whatever has become of them since, read on from any place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.models import Event, EventStatus
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
