"""What is paused: read by those who tell of it, begun and lifted by operators."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from bridge.models import Pause
from bridge.store.calls import OutcomeRow, passed_on
from bridge.store.steps import Steps, step


class PauseRow(NamedTuple):
    """Who paused a place, and when."""

    by: str
    at: int


class UnderWayRow(NamedTuple):
    """What was begun of a hook or a workflow: leased events, and calls that run."""

    events: list[str]
    calls: list[str]


class TakenBackRow(NamedTuple):
    """What became of the wish to take an event from its taker, and where it stands."""

    outcome: str
    status: str | None


@step("pauses.read")
async def _read(steps: Steps) -> bytes | None:
    """Read all pauses, as JSON."""


@step("operators.pause")
async def _pause(steps: Steps, *, place: str, by: str) -> PauseRow:
    """Pause a place."""


@step("operators.resume")
async def _resume(steps: Steps, *, place: str, server: str, parts: list[str]) -> bool:
    """Resume a place, and wake who waits for it."""


@step("operators.under_way")
async def _under_way(steps: Steps, *, server: str, part: str) -> UnderWayRow:
    """Name what was begun."""


@step("operators.take_back")
async def _take_back_event(steps: Steps, *, event_id: str, by: str) -> TakenBackRow:
    """Queue a leased event again."""


@step("outcomes.take_back")
async def _take_back_call(steps: Steps, *, call_id: str, by: str) -> OutcomeRow:
    """Queue a running call again, if that runs nothing twice."""


def read_pauses(kept: bytes | None) -> list[Pause]:
    """Read the pauses out of the text that they are kept as."""
    pauses = json.loads(kept) if kept else {"at": {}, "by": {}}
    since = sorted(pauses["at"].items())
    return [Pause(place, pauses["by"][place], int(at_ms)) for place, at_ms in since]


class PauseStore:
    """Speaks Redis for pauses, and for what they end."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def listed(self) -> list[Pause]:
        """List what is paused, by place."""
        return read_pauses(await _read(self._steps))

    async def begin(self, place: str, by: str) -> Pause:
        """Pause a place; one that is paused stays so since when it was, by whom it was."""
        row = await _pause(self._steps, place=place, by=by)
        return Pause(place, row.by, row.at)

    async def lift(self, place: str, server: str, parts: Iterable[str]) -> bool:
        """Resume a place, and wake who waits for these parts of its server; False: not paused."""
        return await _resume(self._steps, place=place, server=server, parts=list(parts))

    async def under_way(self, server: str, part: str) -> UnderWayRow:
        """Name the leased events of a hook, and the calls of a workflow that run."""
        return await _under_way(self._steps, server=server, part=part)

    async def take_back_event(self, event_id: str, by: str) -> tuple[str, str]:
        """Queue a leased event again: `released`, or `refused` or `unknown`, with its status."""
        row = await _take_back_event(self._steps, event_id=event_id, by=by)
        return row.outcome, row.status or ""

    async def take_back_call(self, call_id: str, by: str) -> bool:
        """Queue a running call again; False for one that has ended, is followed, or may not be."""
        left = await _take_back_call(self._steps, call_id=call_id, by=by)
        return await passed_on(self._steps, call_id, left)
