"""Bulk acts on record: what was chosen, how far the act is, and each act on one of the records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bridge.models import BulkId, CallId, LeaseToken
from bridge.store.calls import OutcomeRow, passed_on, set_aside
from bridge.store.searching import WantedCalls, WantedEvents
from bridge.store.steps import Errand, Steps, step

LOOK_AT = 1000
"""So many records are looked at in one step."""
LEASE_MS = 10_000
"""For how long a process is taken to work on a bulk act since it last did."""


@dataclass(frozen=True)
class NewBulk:
    """A bulk act whose records were chosen; `check` is what must still be so of each."""

    bulk_id: BulkId
    kind: str
    act: str
    by: str
    filter: str
    check: str
    is_cut: bool


@dataclass(frozen=True)
class BulkRow:
    """A bulk act as it stands; `filter` and each line of `refusals` are JSON."""

    bulk_id: BulkId
    kind: str
    act: str
    by: str
    filter: bytes
    status: str
    count: int
    is_cut: bool
    created_at: int
    confirmed_by: str | None
    confirmed_at: int | None
    ended_at: int | None
    stopped_by: str | None
    done: int
    changed: int
    refused: int
    refusals: bytes | None
    is_held: bool

    def reasons(self) -> list[tuple[str, str]]:
        """Return the first records that were refused, and why."""
        lines = (self.refusals or b"").splitlines()
        return [(line["id"], line["why"]) for line in map(json.loads, lines)]


@dataclass(frozen=True)
class ChosenRow:
    """How many records were chosen so far, and the order number to look on from."""

    count: int
    next: int | None


class NextRow(NamedTuple):
    """The records that are next, and whether the bulk act is still this process's."""

    is_held: bool
    ids: list[str]


class CancelledRow(NamedTuple):
    """What became of a call, and whether others wait for what it leaves."""

    outcome: str
    others_wait: bool


class BulkTurn(NamedTuple):
    """One record of a bulk act, in the hands of the process that has this token."""

    bulk_id: BulkId
    token: LeaseToken
    record_id: str


@step("bulks.choose_events")
async def _choose_events(
    steps: Steps, *, bulk_id: BulkId, wanted: WantedEvents, before: str, look_at: int, most: int
) -> ChosenRow:
    """Choose events that are older than `before`."""


@step("bulks.choose_calls")
async def _choose_calls(
    steps: Steps, *, bulk_id: BulkId, wanted: WantedCalls, before: str, look_at: int, most: int
) -> ChosenRow:
    """Choose calls that are older than `before`."""


@step("bulks.create")
async def _create(steps: Steps, *, new: NewBulk) -> None:
    """Put a bulk act on record."""


@step("bulks.read")
async def _read(steps: Steps, *, bulk_id: str) -> BulkRow | None:
    """Read a bulk act."""


@step("bulks.listed")
async def _listed(steps: Steps, *, limit: int) -> list[BulkRow]:
    """List the newest bulk acts."""


@step("bulks.sample")
async def _sample(steps: Steps, *, bulk_id: BulkId, limit: int) -> list[str]:
    """Name the newest of the records that are left."""


@step("bulks.confirm")
async def _confirm(steps: Steps, *, bulk_id: str, count: int, by: str, due_ms: int) -> str:
    """Let a bulk act begin."""


@step("bulks.stop")
async def _stop(steps: Steps, *, bulk_id: str, by: str) -> str:
    """End a bulk act before its time."""


@step("bulks.lease")
async def _lease(steps: Steps, *, bulk_id: BulkId, token: LeaseToken, lease_ms: int) -> bool:
    """Become the one process that works on a bulk act."""


@step("bulks.next")
async def _next(
    steps: Steps, *, bulk_id: BulkId, token: LeaseToken, lease_ms: int, limit: int
) -> NextRow:
    """Name records that are left, or have the bulk act be done."""


@step("bulks.rest")
async def _rest(steps: Steps, *, bulk_id: BulkId, token: LeaseToken) -> None:
    """Leave a bulk act to whoever comes next."""


@step("bulks.sweep")
async def _sweep(steps: Steps, *, limit: int, again_ms: int) -> list[str]:
    """Name the bulk acts that are due."""


@step("bulk_acts.redrive_event")
async def _redrive_event(steps: Steps, *, act: BulkTurn) -> str:
    """Queue a dead or expired event anew."""


@step("bulk_acts.redrive_reply")
async def _redrive_reply(steps: Steps, *, act: BulkTurn) -> str:
    """Send a dead reply again."""


@step("bulk_acts.release")
async def _release(steps: Steps, *, act: BulkTurn, by: str) -> str:
    """Take a leased event from its taker."""


@step("bulk_acts.expire")
async def _expire(steps: Steps, *, act: BulkTurn, reason: str) -> str:
    """End the time of an event."""


@step("bulk_acts.cancel")
async def _cancel(steps: Steps, *, act: BulkTurn, failure: str) -> CancelledRow:
    """Cancel an open call."""


@step("bulk_acts.begin_event")
async def _begin_event(steps: Steps, *, act: BulkTurn) -> str:
    """Find out whether an event is still to be run again."""


@step("bulk_acts.begin_call")
async def _begin_call(steps: Steps, *, act: BulkTurn) -> str:
    """Find out whether a call is still to be run again."""


@step("bulk_acts.ran")
async def _ran(steps: Steps, *, act: BulkTurn, outcome: str, why: str) -> None:
    """Keep what became of a record that was run again."""


class BulkStore:
    """Speaks Redis for acts on many records.

    Each act on one returns what became of it, which is on record with it: `done`, `changed` since
    it was chosen, or `lost`, for then another process works on it. What else an act returns is a
    reason to leave the record as it is, and the record is left.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def choose(
        self, bulk_id: BulkId, wanted: WantedEvents | WantedCalls, before: int | None, most: int
    ) -> ChosenRow:
        """Choose the newest records that are wanted and older than `before`, `most` in all."""
        older = "+inf" if before is None else str(before)
        if isinstance(wanted, WantedEvents):
            return await _choose_events(
                self._steps,
                bulk_id=bulk_id,
                wanted=wanted,
                before=older,
                look_at=LOOK_AT,
                most=most,
            )
        return await _choose_calls(
            self._steps, bulk_id=bulk_id, wanted=wanted, before=older, look_at=LOOK_AT, most=most
        )

    async def create(self, new: NewBulk) -> None:
        """Put a bulk act on record, with all that was chosen for it."""
        await _create(self._steps, new=new)

    async def read(self, bulk_id: str) -> BulkRow | None:
        """Read a bulk act."""
        return await _read(self._steps, bulk_id=bulk_id)

    async def listed(self, limit: int) -> list[BulkRow]:
        """List the newest bulk acts."""
        return await _listed(self._steps, limit=limit)

    async def sample(self, bulk_id: BulkId, limit: int) -> list[str]:
        """Name the newest of the records that are left."""
        return await _sample(self._steps, bulk_id=bulk_id, limit=limit)

    async def confirm(self, bulk_id: str, count: int, by: str, waking: Errand | None) -> str:
        """Let a bulk act of so many records begin, by a worker that is woken for it.

        Without one to wake, a worker takes it unless this process has taken it until then.
        Returns `confirmed`, also for one that has begun, `differs`, `stopped` or `unknown`.
        """
        due_ms = 0 if waking else LEASE_MS
        return await _confirm.with_errand(
            self._steps, waking, bulk_id=bulk_id, count=count, by=by, due_ms=due_ms
        )

    async def stop(self, bulk_id: str, by: str) -> str:
        """End a bulk act before its time: `stopped`, `ended` or `unknown`."""
        return await _stop(self._steps, bulk_id=bulk_id, by=by)

    async def lease(self, bulk_id: BulkId, token: LeaseToken) -> bool:
        """Become the one process that works on a bulk act; False where it may not."""
        return await _lease(self._steps, bulk_id=bulk_id, token=token, lease_ms=LEASE_MS)

    async def next(self, bulk_id: BulkId, token: LeaseToken, limit: int) -> list[str] | None:
        """Name records that are left, and hold on to the bulk act.

        Without any left the bulk act is done; None where it is not this process's any more.
        """
        row = await _next(self._steps, bulk_id=bulk_id, token=token, lease_ms=LEASE_MS, limit=limit)
        return row.ids if row.is_held else None

    async def rest(self, bulk_id: BulkId, token: LeaseToken) -> None:
        """Leave a bulk act, of which some is left, to whoever comes next."""
        await _rest(self._steps, bulk_id=bulk_id, token=token)

    async def sweep(self, limit: int, again_s: float) -> list[str]:
        """Name the bulk acts that no process works on; they are due again after a while."""
        return await _sweep(self._steps, limit=limit, again_ms=round(again_s * 1000))

    async def redrive_event(self, act: BulkTurn) -> str:
        """Queue a dead or expired event anew, or send its reply again where that is dead."""
        return await _redrive_event(self._steps, act=act)

    async def redrive_reply(self, act: BulkTurn) -> str:
        """Send a dead reply again."""
        return await _redrive_reply(self._steps, act=act)

    async def release(self, act: BulkTurn, by: str) -> str:
        """Take a leased event from its taker."""
        return await _release(self._steps, act=act, by=by)

    async def expire(self, act: BulkTurn, reason: str) -> str:
        """End the time of an event that is not settled."""
        return await _expire(self._steps, act=act, reason=reason)

    async def cancel(self, act: BulkTurn, failure: str) -> str:
        """Cancel an open call."""
        row = await _cancel(self._steps, act=act, failure=failure)
        if row.outcome == "done":
            reason = f"its call was {failure}"
            await set_aside(self._steps, call_id=CallId(act.record_id), reason=reason)
        await passed_on(self._steps, act.record_id, OutcomeRow(True, row.others_wait))
        return row.outcome

    async def begin(self, act: BulkTurn, *, is_call: bool) -> str:
        """Find out whether a record is `wanted` that is to be run again."""
        return await (_begin_call if is_call else _begin_event)(self._steps, act=act)

    async def ran(self, act: BulkTurn, outcome: str, why: str) -> None:
        """Keep what became of a record that was run again."""
        await _ran(self._steps, act=act, outcome=outcome, why=why)


def check_of(wanted: WantedEvents | WantedCalls) -> Mapping[str, object]:
    """Return what must still be so of a record when it is acted on; its place never changes."""
    is_events = isinstance(wanted, WantedEvents)
    delayed = {"delayed": True} if is_events and "queued" in wanted.statuses else {}
    principal = wanted.principal if is_events else ""
    return {"statuses": {**wanted.statuses, **delayed}, "principal": principal}
