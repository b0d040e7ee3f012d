"""Calls on record: created once, reported on, concluded and read."""

import asyncio
import zlib
from dataclasses import replace
from typing import NamedTuple

from bridge.formats.file_pages import OFFSET_MAX
from bridge.formats.json_text import decode
from bridge.models import (
    Approval,
    ApprovalStatus,
    Body,
    Call,
    CallId,
    CallStatus,
    EventId,
    Principal,
    Question,
)
from bridge.store.events import FileRow
from bridge.store.new_calls import NewCall
from bridge.store.steps import Errand, Steps, step

COMPRESSED_ABOVE_BYTES = 4096
SOON_S = 0.005
"""How long it may wait for another step that the caller has a result in hand.

What shows it is mostly the next request on the same connection, whose own step is then the next."""
LOOK_AT = 1000
"""So many calls are looked at in one step, to find those of a status."""


class CallRow(NamedTuple):
    """A call as steps answer it."""

    call_id: str
    age_ms: int
    server: str
    principal: str
    workflow: str
    status: CallStatus
    attempt: int
    order: int
    created_at: int
    updated_at: int
    finished_at: int | None
    sent_at: int | None
    failure: str | None
    arguments: bytes
    progress: float | None
    message: str | None
    blame: str | None
    awaited_by: str | None
    execution: str | None
    trace: str | None
    shared_task: str | None
    approval: bytes | None
    verdict: bytes | None
    paused_at: int | None

    def call(self) -> Call:
        """Return the call, without its result."""
        return Call(
            call_id=CallId(self.call_id),
            principal=Principal(self.server, self.principal),
            workflow=self.workflow,
            status=self.status,
            attempt=self.attempt,
            order=self.order,
            created_at_ms=self.created_at,
            updated_at_ms=self.updated_at,
            age_ms=self.age_ms,
            arguments=self.arguments,
            sent=self.sent_at is not None,
            failure=self.failure,
            progress=self.progress,
            message=self.message,
            is_bridge_fault=self.blame == "bridge",
            is_awaited=self.awaited_by is not None,
            execution=self.execution,
            trace=self.trace or "",
            is_shared_task=self.shared_task is not None,
            paused_at_ms=self.paused_at,
            approval=self._approval(),
            result=None,
        )

    def _approval(self) -> Approval | None:
        if not self.approval:
            return None
        asked, verdict = decode(self.approval), decode(self.verdict or b"{}")
        return Approval(
            status=ApprovalStatus(verdict.get("status", ApprovalStatus.WAITING)),
            digest=asked["digest"],
            asks=asked["asks"],
            ends_at_ms=asked.get("asked_at", self.created_at) + asked["within_ms"],
            by=verdict.get("by", ""),
            decided_at_ms=verdict.get("at_ms"),
            reason=verdict.get("reason", ""),
        )


class CreatedRow(NamedTuple):
    """A call that was created, or the earlier one that it joins."""

    is_attached: bool
    call: CallRow


class ReportedRow(NamedTuple):
    """What became of a report: `taken`, `ended` or `unknown`, and how the call stands."""

    outcome: str
    status: str | None


class ConcludedRow(NamedTuple):
    """The same of a callback that ends a call, and whether others wait for what it leaves."""

    outcome: str
    status: str | None
    others_wait: bool


class OutcomeRow(NamedTuple):
    """Whether a call was ended or left, and whether others wait for its turn or its place."""

    is_done: bool
    others_wait: bool


class QuestionRow(NamedTuple):
    """An open question of a call."""

    id: str
    hook: str
    status: str
    body: bytes
    media_type: str

    def question(self) -> Question:
        """Return the question."""
        is_taken = self.status == "leased"
        return Question(EventId(self.id), self.hook, is_taken, Body(self.body, self.media_type))


class WholeRow(NamedTuple):
    """A call with its result, as it is kept, and its open questions."""

    call: CallRow
    result: bytes | None
    questions: list[QuestionRow]
    file_bytes: int


class PageRow(NamedTuple):
    """Some calls, and the order number to look on from."""

    rows: list[CallRow]
    next: str | None


@step("calls.create")
async def _create(steps: Steps, *, new: NewCall) -> CreatedRow:
    """Write a queued call, or find the earlier one that it joins."""


@step("calls.proves")
async def _proves(steps: Steps, *, call_id: CallId, secret: str) -> bool:
    """Report whether a secret is the call's own."""


@step("calls.report")
async def _report(
    steps: Steps, *, call_id: CallId, secret: str, progress: float, message: str
) -> ReportedRow:
    """Record an open call's progress."""


@step("outcomes.conclude")
async def _conclude(
    steps: Steps, *, call_id: CallId, secret: str, status: CallStatus, result: bytes, failure: str
) -> ConcludedRow:
    """End an open call with what its callback said."""


@step("outcomes.cancel")
async def _cancel(steps: Steps, *, call_id: CallId, failure: str) -> OutcomeRow:
    """Cancel an open call, if it has not ended already."""


@step("asking.set_aside")
async def set_aside(steps: Steps, *, call_id: CallId, reason: str) -> None:
    """Set aside the questions of a call that need no answer any more."""


@step("shares.pass_on")
async def _pass_on_turn(steps: Steps, *, call_id: str) -> None:
    """Pass the turn that a call has left, and its part of a share, to the next."""


@step("places.pass_on")
async def _pass_on_place(steps: Steps) -> None:
    """Pass the place that a call has left to the next."""


async def passed_on(steps: Steps, call_id: str, left: OutcomeRow) -> bool:
    """Pass what a call has left to those who wait; return whether it was ended or left at all.

    Should this process die before, they look again by themselves, some seconds later.
    """
    if left.others_wait:
        await asyncio.gather(_pass_on_turn(steps, call_id=call_id), _pass_on_place(steps))
    return left.is_done


@step("calls.read")
async def read_call(steps: Steps, *, call_id: CallId) -> CallRow | None:
    """Read a call without its result."""


@step("calls.read_whole")
async def _read_whole(steps: Steps, *, call_id: CallId, waits: bool) -> WholeRow | None:
    """Read a call with its result and its open questions."""


@step("calls.read_file")
async def _read_file(steps: Steps, *, call_id: CallId, first: int, last: int) -> FileRow:
    """Read the bytes from `first` to `last` of the file that a call ended with."""


@step("calls.handed_over")
async def _handed_over(steps: Steps, *, call_id: str, request: str) -> None:
    """Record that the caller has the result."""


@step("calls.accepted")
async def _accepted(steps: Steps, *, request: str) -> None:
    """Record that a client knows of its request."""


@step("calls.promise")
async def _promise(steps: Steps, *, call_id: CallId) -> None:
    """Record that the caller may come back for the result."""


@step("calls.list")
async def _list(
    steps: Steps,
    *,
    server: str,
    principal: str,
    status: str,
    after: str,
    limit: int,
    look_at: int,
) -> PageRow:
    """Read a page of a principal's calls."""


class CallStore:
    """Speaks Redis for calls."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def create(self, new: NewCall, waking: Errand | None = None) -> Call:
        """Write a queued call, or return the earlier one that it joins (`attached`).

        `waking` wakes a worker for it in the same round trip, also where it joins another.
        """
        row = await _create.with_errand(self._steps, waking, new=new)
        return replace(row.call.call(), attached=row.is_attached)

    async def proves(self, call_id: CallId, secret: str) -> bool:
        """Report whether a secret is the call's own."""
        return await _proves(self._steps, call_id=call_id, secret=secret)

    async def report(
        self, call_id: CallId, secret: str, progress: float, message: str
    ) -> tuple[str, str]:
        """Record a running call's progress: `taken` or `ended` with its status, or `unknown`."""
        row = await _report(
            self._steps, call_id=call_id, secret=secret, progress=progress, message=message
        )
        return row.outcome, row.status or ""

    async def conclude(
        self, call_id: CallId, secret: str, status: CallStatus, *, result: bytes, failure: str
    ) -> tuple[str, str]:
        """End a running call from outside; the same end again is `taken` like the first."""
        row = await _conclude(
            self._steps,
            call_id=call_id,
            secret=secret,
            status=status,
            result=pack(result),
            failure=failure,
        )
        await passed_on(self._steps, call_id, OutcomeRow(True, row.others_wait))
        return row.outcome, row.status or ""

    async def cancel(self, call_id: CallId, reason: str) -> bool:
        """End an open call; its worker finds its lease gone. False: it had ended already."""
        left = await _cancel(self._steps, call_id=call_id, failure=reason)
        if left.is_done:
            await set_aside(self._steps, call_id=call_id, reason=f"its call was {reason}")
        return await passed_on(self._steps, call_id, left)

    async def read(self, call_id: CallId, *, waits: bool = False) -> Call | None:
        """Read one call with its result; `waits` records that somebody waits for it."""
        row = await _read_whole(self._steps, call_id=call_id, waits=waits)
        if row is None:
            return None
        return replace(
            row.call.call(),
            result=_unpack(row.result),
            questions=tuple(each.question() for each in row.questions),
            file_bytes=row.file_bytes,
        )

    async def read_file(self, call_id: CallId, offset: int, size_bytes: int) -> tuple[bytes, int]:
        """Read a part of the file that a call ended with, and how long the whole is, in bytes."""
        first = min(offset, OFFSET_MAX)
        row = await _read_file(
            self._steps, call_id=call_id, first=first, last=first + size_bytes - 1
        )
        return row.part, row.whole_bytes

    async def handed_over(self, call_id: str, request: str = "") -> None:
        """Record that the caller has the result of an ended call in hand.

        If `request` was accepted apart, this counts once its client knows that it was.
        """
        await _handed_over.before_others(self._steps, SOON_S, call_id=call_id, request=request)

    async def accepted(self, request: str) -> None:
        """Record that the client of a request knows that it was accepted."""
        await _accepted(self._steps, request=request)

    async def promise(self, call_id: CallId) -> None:
        """Record that the caller may come back for the result without waiting for it."""
        await _promise(self._steps, call_id=call_id)

    async def listed(self, principal: Principal, status: str, after: int, limit: int) -> list[Call]:
        """List at most `limit` calls of a principal in the order they came, behind a number.

        Of long arguments they have a summary.
        """
        calls: list[Call] = []
        on_from: str | None = str(after)
        while on_from and len(calls) < limit:
            page = await _list(
                self._steps,
                server=principal.server,
                principal=principal.name,
                status=status,
                after=on_from,
                limit=limit - len(calls),
                look_at=LOOK_AT,
            )
            calls += [row.call() for row in page.rows]
            on_from = page.next
        return calls


def pack(result: bytes) -> bytes:
    """Compress a long result; the first byte tells."""
    return b"z" + zlib.compress(result) if len(result) > COMPRESSED_ABOVE_BYTES else b"j" + result


def _unpack(kept: bytes | None) -> bytes | None:
    if not kept or kept == b"j":
        return None
    return zlib.decompress(kept[1:]) if kept[:1] == b"z" else kept[1:]
