"""Approvals on record: calls that wait until somebody agrees to them, and how that was decided."""

from dataclasses import dataclass
from typing import NamedTuple

from bridge.models import Call, CallId, EventId, LeaseToken, new_lease_token
from bridge.store.calls import CallRow, OutcomeRow, passed_on, set_aside
from bridge.store.steps import Steps, step

SETTLED = "it was decided elsewhere, or its call has ended"
"""Why a question is set aside that a hook was asked."""


LISTED_BYTES = 16 * 1024 * 1024
"""No more calls are listed at once than have so long arguments together."""


@dataclass(frozen=True)
class ApprovalDecision:
    """What somebody decides about a call of which they have seen what `digest` is of.

    `at_ms` is when they did, if that was before.
    """

    call_id: CallId
    digest: str
    by: str
    reason: str
    token: LeaseToken
    at_ms: int | None = None


class VerdictRow(NamedTuple):
    """What became of a verdict."""

    outcome: str


class RefusalRow(NamedTuple):
    """The same of one that ends a call, and whether others wait for what it leaves."""

    outcome: str
    others_wait: bool


class DueApproval(NamedTuple):
    """A call that waits no more for its approval, or that long enough, or of which a hook is asked.

    `event_id` is the event that asks, `within_ms` how long the whole time is.
    """

    call_id: CallId
    is_decided: bool
    is_over: bool
    event_id: EventId | None
    within_ms: int


class AnswerRow(NamedTuple):
    """How an event stands that asks whether a call may be run: its status, taker and reply.

    `is_decided`: the call does not wait for that any more.
    """

    is_decided: bool
    status: str | None
    leased_by: str | None
    reason: str | None
    reply: bytes | None
    answered_at: int | None


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
async def _waiting(steps: Steps, *, limit: int, bytes_max: int) -> list[CallRow]:
    """List calls that wait for their approval."""


@step("verdicts.due")
async def _due(steps: Steps, *, limit: int, again_ms: int) -> list[DueApproval]:
    """Look at calls that wait for their approval."""


@step("verdicts.ask")
async def _ask(steps: Steps, *, call_id: CallId, event_id: EventId) -> str | None:
    """Have an event ask whether a call may be run."""


@step("verdicts.asked")
async def _asked(steps: Steps, *, call_id: CallId, event_id: EventId) -> AnswerRow:
    """Read how the event stands that asks whether a call may be run."""


class ApprovalStore:
    """Speaks Redis for approvals."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def approve(
        self, call_id: CallId, digest: str, by: str, reason: str, at_ms: int | None = None
    ) -> str:
        """Let a call be run: `done`, or why not; `at_ms` is when this was said, if before.

        That is `unknown`, `none` (nothing must be approved), `changed` (it would do something else
        than what was seen), `ended`, `late`, `approved`, `refused` or `expired`.
        """
        verdict = ApprovalDecision(call_id, digest, by, reason, new_lease_token(), at_ms)
        return (await _approve(self._steps, verdict=verdict)).outcome

    async def refuse(
        self,
        call_id: CallId,
        digest: str,
        by: str,
        reason: str,
        failure: str,
        at_ms: int | None = None,
    ) -> str:
        """End a call that is not to be run, with this failure: `done`, or why not, likewise."""
        verdict = ApprovalDecision(call_id, digest, by, reason, new_lease_token(), at_ms)
        row = await _refuse(self._steps, verdict=verdict, failure=failure)
        if row.outcome == "done":
            await passed_on(self._steps, call_id, OutcomeRow(True, row.others_wait))
        return row.outcome

    async def lapse(self, call_id: CallId, failure: str) -> bool:
        """End a call that nobody has decided about; False: somebody has, or it has ended."""
        left = await _lapse(self._steps, call_id=call_id, failure=failure)
        return await passed_on(self._steps, call_id, left)

    async def settle(self, call_id: CallId) -> None:
        """Set aside what a hook was asked about a call that waits for its approval no more.

        To be done behind each verdict; should this process die before, it is due.
        """
        await set_aside(self._steps, call_id=call_id, reason=SETTLED)

    async def waiting(self, limit: int) -> list[Call]:
        """List at most `limit` calls that wait for their approval, fewer where they are long."""
        rows = await _waiting(self._steps, limit=limit, bytes_max=LISTED_BYTES)
        return [row.call() for row in rows]

    async def due(self, limit: int, again_s: float) -> list[DueApproval]:
        """Return the calls that are to be looked at; each again after `again_s`."""
        return await _due(self._steps, limit=limit, again_ms=round(again_s * 1000))

    async def ask(self, call_id: CallId, event_id: EventId) -> EventId | None:
        """Have an event ask whether a call may be run, which is made next; None: it waits no more.

        Returns the one that asks, which is another where one did before.
        """
        found = await _ask(self._steps, call_id=call_id, event_id=event_id)
        return EventId(found) if found else None

    async def asked(self, call_id: CallId, event_id: EventId) -> AnswerRow:
        """Read how the event stands that asks whether a call may be run."""
        return await _asked(self._steps, call_id=call_id, event_id=event_id)
