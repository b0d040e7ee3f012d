"""Approvals on record: calls that wait until somebody agrees to them, and how that was decided."""

from dataclasses import dataclass
from typing import NamedTuple

from bridge.models import Call, CallId, EventId, LeaseToken, new_lease_token
from bridge.store.calls import CallRow, OutcomeRow, passed_on, set_aside
from bridge.store.steps import Steps, step


@dataclass(frozen=True)
class ApprovalDecision:
    """What somebody decides about a call of which they have seen what `digest` is of."""

    call_id: CallId
    digest: str
    by: str
    reason: str
    token: LeaseToken


class VerdictRow(NamedTuple):
    """What became of a verdict."""

    outcome: str


class RefusalRow(NamedTuple):
    """The same of one that ends a call, and whether others wait for what it leaves."""

    outcome: str
    others_wait: bool


class DueApproval(NamedTuple):
    """A call whose time to be approved is over, or for which a hook is asked: by which event."""

    call_id: CallId
    is_over: bool
    event_id: EventId | None


class AnswerRow(NamedTuple):
    """How an event stands that asks whether a call may be run: its status, taker and reply."""

    status: str | None
    leased_by: str | None
    reason: str | None
    reply: bytes | None


@step("verdicts.approve")
async def _approve(steps: Steps, *, verdict: ApprovalDecision) -> VerdictRow:
    """Approve of a call."""


@step("verdicts.refuse")
async def _refuse(steps: Steps, *, verdict: ApprovalDecision, failure: str) -> RefusalRow:
    """Refuse a call."""


@step("verdicts.lapse")
async def _lapse(steps: Steps, *, call_id: CallId, failure: str) -> OutcomeRow:
    """End a call that nobody has decided about."""


@step("verdicts.waiting")
async def _waiting(steps: Steps, *, limit: int) -> list[CallRow]:
    """List calls that wait for their approval."""


@step("verdicts.due")
async def _due(steps: Steps, *, limit: int, again_ms: int) -> list[DueApproval]:
    """Look at calls that wait for their approval."""


@step("verdicts.asked")
async def _asked(steps: Steps, *, call_id: CallId, event_id: EventId) -> AnswerRow:
    """Record which event asks whether a call may be run, and read how it stands."""


class ApprovalStore:
    """Speaks Redis for approvals."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def approve(self, call_id: CallId, digest: str, by: str, reason: str) -> str:
        """Let a call be run: `done`, or why not.

        That is `unknown`, `none` (nothing must be approved), `changed` (it would do something else
        than what was seen), `ended`, `late`, `approved`, `refused` or `expired`.
        """
        verdict = ApprovalDecision(call_id, digest, by, reason, new_lease_token())
        outcome = (await _approve(self._steps, verdict=verdict)).outcome
        if outcome == "done":
            await set_aside(self._steps, call_id=call_id, reason="it was decided elsewhere")
        return outcome

    async def refuse(self, call_id: CallId, digest: str, by: str, reason: str, failure: str) -> str:
        """End a call that is not to be run, with this failure: `done`, or why not, likewise."""
        verdict = ApprovalDecision(call_id, digest, by, reason, new_lease_token())
        row = await _refuse(self._steps, verdict=verdict, failure=failure)
        if row.outcome == "done":
            await set_aside(self._steps, call_id=call_id, reason="it was decided elsewhere")
            await passed_on(self._steps, call_id, OutcomeRow(True, row.others_wait))
        return row.outcome

    async def lapse(self, call_id: CallId, failure: str) -> bool:
        """End a call that nobody has decided about; False: somebody has, or it has ended."""
        left = await _lapse(self._steps, call_id=call_id, failure=failure)
        if left.is_done:
            await set_aside(self._steps, call_id=call_id, reason="its call has ended")
        return await passed_on(self._steps, call_id, left)

    async def waiting(self, limit: int) -> list[Call]:
        """List at most `limit` calls that wait for their approval."""
        return [row.call() for row in await _waiting(self._steps, limit=limit)]

    async def due(self, limit: int, again_s: float) -> list[DueApproval]:
        """Return the calls that are to be looked at; each again after `again_s`."""
        return await _due(self._steps, limit=limit, again_ms=round(again_s * 1000))

    async def asked(self, call_id: CallId, event_id: EventId) -> AnswerRow:
        """Record which event asks whether a call may be run, and read how that stands."""
        return await _asked(self._steps, call_id=call_id, event_id=event_id)
