"""Which queued events are told to a session now, and when they are told again."""

from collections.abc import Sequence
from typing import NamedTuple

from bridge.models import Event
from bridge.store.events import EventRow
from bridge.store.steps import Steps, step


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
    token: str,
    most: int,
    first_ms: int,
    longest_ms: int,
) -> DueRow:
    """Claim what is to be told now."""


class PushStore:
    """Speaks Redis for pushes."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def due(
        self,
        server: str,
        hooks: Sequence[str],
        token: str,
        most: int,
        pauses_s: tuple[float, float],
    ) -> tuple[list[Event], float | None]:
        """Claim what is to be told now of the `most` first events.

        Returns these, and in how many seconds more is to be told.

        The next time an event is due comes after the first pause, then after twice as long each
        time, up to the longest; an event that was taken and came back begins anew. The same `token`
        again is the same wish.
        """
        first_s, longest_s = pauses_s
        found = await _due(
            self._steps,
            server=server,
            hooks=hooks,
            token=token,
            most=most,
            first_ms=round(first_s * 1000),
            longest_ms=round(longest_s * 1000),
        )
        next_s = None if found.next_ms is None else found.next_ms / 1000
        return [row.event() for row in found.rows], next_s
