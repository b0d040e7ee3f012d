"""What operators ask of the store: whatever there is, whomever it belongs to, and its history."""

import json
from dataclasses import replace
from typing import NamedTuple

from bridge.models import EventId, Json, Moment, Principal, Timeline
from bridge.store.again import AgainStore
from bridge.store.approvals import ApprovalStore
from bridge.store.bulks import BulkStore
from bridge.store.pauses import PauseStore
from bridge.store.replies import read_attempts
from bridge.store.steps import Steps, step
from bridge.store.tokens import TokenStore

GATHERED_MAX = 2000
"""So many calls are gathered in one step."""
CALLERS_MAX = 500
"""Of so many principals."""


class RedrivenRow(NamedTuple):
    """What became of the wish to redrive or expire an event, and where the event stands."""

    outcome: str
    status: str | None


class TimelineRow(NamedTuple):
    """The history of a record, a line of JSON each; a cut one may end in half a character."""

    began_at: int | None
    lines: bytes | None
    left_out: int | None


@step("claims.redrive")
async def _redrive(steps: Steps, *, event_id: EventId, token: str) -> RedrivenRow:
    """Queue a dead or expired event anew."""


@step("operators.expire")
async def _expire(steps: Steps, *, event_id: EventId, reason: str) -> RedrivenRow:
    """Expire an event that is not settled."""


@step("operators.now_ms")
async def _now_ms(steps: Steps) -> int:
    """Read Redis's clock."""


@step("operators.totals")
async def _totals(steps: Steps) -> list[str]:
    """Name every total that was ever counted."""


@step("operators.call_servers")
async def _call_servers(steps: Steps) -> list[str]:
    """Name the servers that have had calls."""


@step("operators.callers")
async def _callers(steps: Steps) -> list[str]:
    """Name the principals whose calls may still be on record, as JSON."""


class GatheredRow(NamedTuple):
    """Behind which principals to go on, if any are left, and up to which order number.

    `is_cut` says that there were too many calls for one step.
    """

    behind: str | None
    upto: str
    is_cut: bool


@step("gathering.gather")
async def _gather(steps: Steps, *, behind: str, upto: str, most: int, limit: int) -> GatheredRow:
    """Gather new calls of some principals."""


@step("timeline.of_event")
async def _of_event(steps: Steps, *, event_id: str) -> TimelineRow:
    """Read the history of an event."""


@step("timeline.of_call")
async def _of_call(steps: Steps, *, call_id: str) -> TimelineRow:
    """Read the history of a call."""


class OperatorStore:
    """Speaks Redis for operators."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.pauses = PauseStore(steps)
        self.again = AgainStore(steps)
        self.bulks = BulkStore(steps)
        self.tokens = TokenStore(steps)
        self.approvals = ApprovalStore(steps)

    async def redrive(self, event_id: EventId, token: str) -> tuple[str, str]:
        """Queue a dead or expired event anew, all its attempts and its time before it.

        `redriven`, or `refused` for one that is open or has its answer, each with the status; or
        `unknown`. The same `token` again is the same wish.
        """
        row = await _redrive(self._steps, event_id=event_id, token=token)
        return row.outcome, row.status or ""

    async def expire(self, event_id: EventId, reason: str) -> tuple[str, str]:
        """Expire an event: `expired`, or `refused` for one that is settled, or `unknown`."""
        row = await _expire(self._steps, event_id=event_id, reason=reason)
        return row.outcome, row.status or ""

    async def now_ms(self) -> int:
        """Read Redis's clock."""
        return await _now_ms(self._steps)

    async def hooks(self) -> list[tuple[str, str]]:
        """Name each (server, hook) that has ever received an event, configured or not."""
        return await self._counted("events")

    async def workflows(self) -> list[tuple[str, str]]:
        """Name each (server, workflow) of which a call has ever ended, configured or not."""
        return await self._counted("call_ms")

    async def _counted(self, total: str) -> list[tuple[str, str]]:
        counted = [name.split("|") for name in await _totals(self._steps)]
        return sorted({(name[1], name[2]) for name in counted if name[0] == total})

    async def call_servers(self) -> list[str]:
        """Name every server that has had calls, configured or not."""
        return await _call_servers(self._steps)

    async def callers(self) -> list[Principal]:
        """Name every principal whose calls may still be on record."""
        rows = [json.loads(row) for row in await _callers(self._steps)]
        return [Principal(server, name) for server, name in rows]

    async def gather_calls(self, limit: int = GATHERED_MAX, callers: int = CALLERS_MAX) -> bool:
        """Have new calls of all principals in the list of their server; True where more are left.

        Searches find those that are not there yet all the same, only more slowly.
        """
        behind: str | None = "-inf"
        upto, is_cut = "", False
        while behind:
            row = await _gather(self._steps, behind=behind, upto=upto, most=callers, limit=limit)
            behind, upto, is_cut = row.behind, row.upto, is_cut or row.is_cut
        return is_cut

    async def timeline_of_event(self, event_id: str) -> Timeline:
        """Read what happened to an event that is on record, and to its reply."""
        timeline = _timeline("accepted", await _of_event(self._steps, event_id=event_id))
        attempts = await read_attempts(self._steps, event_id=event_id)
        tried = [_try(json.loads(row)) for row in attempts]
        moments = sorted((*timeline.moments, *tried), key=lambda moment: moment.at_ms)
        return replace(timeline, moments=tuple(moments))

    async def timeline_of_call(self, call_id: str) -> Timeline:
        """Read what happened to a call that is on record."""
        return _timeline("created", await _of_call(self._steps, call_id=call_id))


def _timeline(began: str, row: TimelineRow) -> Timeline:
    """Read a timeline; that it began has no line where there is no more to say than when."""
    if row.began_at is None:
        return Timeline((), 0)
    lines = (row.lines or b"").decode(errors="ignore").split("\n")[:-1]
    moments = tuple(_moment(json.loads(line)) for line in lines)
    if not moments or moments[0].what != began:
        moments = (Moment(row.began_at, began, {}), *moments)
    return Timeline(moments, row.left_out or 0)


def _try(told: dict[str, Json]) -> Moment:
    """Read how one attempt to deliver a reply ended."""
    said = {"attempt": told["attempt"], "status": told["status"], "reason": told["failure"]}
    return Moment(
        int(str(told["at"])), "reply_tried", {name: is_ for name, is_ in said.items() if is_ != ""}
    )


def _moment(line: dict[str, Json]) -> Moment:
    at_ms, what = line.pop("at"), line.pop("what")
    return Moment(int(str(at_ms)), str(what), dict(sorted(line.items())))
