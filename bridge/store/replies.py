"""Replies on record: one sender at a time brings each to n8n."""

import json
import math
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.models import (
    Event,
    EventId,
    LeaseToken,
    ProcessId,
    ReplyAttempt,
    ReplyStatus,
)
from bridge.store.events import EventRow
from bridge.store.steps import Steps, step

HISTORY_MAX = 50


@dataclass(frozen=True)
class ReplyLease:
    """One attempt to bring a reply to n8n.

    `unknown` says that an earlier attempt may have arrived; `tries` counts those since the reply
    was last redriven, this one included. `n8n_waits_s` is what is left until n8n's deadline.
    """

    event_id: EventId
    token: LeaseToken
    url: str = field(repr=False)
    value: bytes = field(repr=False)
    n8n_waits_s: float
    age_s: float
    attempt: int
    tries: int
    unknown: bool
    last_failure: str
    server: str
    hook: str
    trace: str = ""


class SendingRow(NamedTuple):
    """A reply as its sender gets it."""

    url: str | None
    value: bytes
    left_ms: int | None
    age_ms: int
    attempt: int
    tried_before: int | None
    unknown: bool
    last_failure: str | None
    server: str
    hook: str
    trace: str | None


@step("replies.lease")
async def _lease(
    steps: Steps, *, event_id: EventId, token: LeaseToken, process: ProcessId
) -> SendingRow | None:
    """Become the one sender of a pending reply."""


@step("replies.settle")
async def _settle(
    steps: Steps,
    *,
    event_id: EventId,
    token: LeaseToken,
    status: ReplyStatus,
    failure: str,
    delay_ms: int,
    unknown: bool,
    keep: int,
) -> bool:
    """End an attempt; False where the lease was lost."""


@step("replies.put_off")
async def _put_off(
    steps: Steps, *, event_id: EventId, token: LeaseToken, delay_ms: int, failure: str
) -> None:
    """Release the right to send without having sent."""


@step("replies.abandon")
async def _abandon(steps: Steps, *, event_id: str, token: str) -> None:
    """Let another send what a dead sender had."""


@step("replies.redrive")
async def _redrive(steps: Steps, *, event_id: EventId) -> str:
    """Make a dead reply pending and due now."""


@step("replies.attempts")
async def read_attempts(steps: Steps, *, event_id: str) -> list[str]:
    """Read how the last attempts to send a reply ended, as JSON."""


@step("replies.sweep")
async def _sweep(steps: Steps, *, limit: int, again_ms: int) -> list[str]:
    """Name the replies that are due."""


@step("replies.wait")
async def _wait(
    steps: Steps, *, event_id: EventId, token: LeaseToken, process: ProcessId
) -> EventRow | None:
    """Read an event, and become the sender of its reply if there may be one and is no other."""


@step("replies.leave")
async def _leave(
    steps: Steps, *, event_id: EventId, token: LeaseToken, may_have_arrived: bool
) -> bool:
    """Leave a reply to its address; says whether it is due now."""


class ReplyStore:
    """Speaks Redis for replies."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def lease(self, event_id: EventId, token: LeaseToken) -> ReplyLease | None:
        """Become the one sender of a pending reply; None where there is another or no need."""
        row = await _lease(self._steps, event_id=event_id, token=token, process=self._process)
        if row is None:
            return None
        return ReplyLease(
            event_id=event_id,
            token=token,
            url=row.url or "",
            value=row.value,
            n8n_waits_s=math.inf if row.left_ms is None else row.left_ms / 1000,
            age_s=row.age_ms / 1000,
            attempt=row.attempt,
            tries=row.attempt - (row.tried_before or 0),
            unknown=row.unknown,
            last_failure=row.last_failure or "",
            server=row.server,
            hook=row.hook,
            trace=row.trace or "",
        )

    async def settle(
        self,
        sending: ReplyLease,
        status: ReplyStatus,
        *,
        failure: str = "",
        delay_s: float = 0,
        unknown: bool = False,
    ) -> bool:
        """End an attempt; a pending reply is due after `delay_s`. False: the lease was lost."""
        return await _settle(
            self._steps,
            event_id=sending.event_id,
            token=sending.token,
            status=status,
            failure=failure,
            delay_ms=round(delay_s * 1000),
            unknown=unknown,
            keep=HISTORY_MAX,
        )

    async def put_off(self, sending: ReplyLease, delay_s: float, failure: str) -> None:
        """Release the right to send without having sent: it counts as no attempt.

        `failure` is put on record where there is no other.
        """
        await _put_off(
            self._steps,
            event_id=sending.event_id,
            token=sending.token,
            delay_ms=round(delay_s * 1000),
            failure=failure,
        )

    async def abandon(self, event_id: str, token: str) -> None:
        """Let another process send: the outcome of the last attempt is unknown."""
        await _abandon(self._steps, event_id=event_id, token=token)

    async def redrive(self, event_id: EventId) -> str:
        """Make a dead reply pending and due now, with all its time before it.

        Returns the status that the reply has then, `late` for one that stays dead since n8n waits
        no more, or `unknown`.
        """
        return await _redrive(self._steps, event_id=event_id)

    async def attempts(self, event_id: EventId) -> list[ReplyAttempt]:
        """Read how the last attempts to send a reply ended, oldest first."""
        rows = [json.loads(row) for row in await read_attempts(self._steps, event_id=event_id)]
        return [
            ReplyAttempt(
                one["attempt"], one["at"], ReplyStatus(one["status"]), one["failure"] or None
            )
            for one in rows
        ]

    async def sweep(self, limit: int, again_s: float) -> list[str]:
        """Name the replies that are due and not being sent; they are due again after `again_s`."""
        return await _sweep(self._steps, limit=limit, again_ms=round(again_s * 1000))


class DirectReplyStore:
    """Speaks Redis for replies that go back in the answer to the request that brought the event.

    While a request waits for a reply it is the one sender of it.
    """

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def look(self, event_id: EventId, token: LeaseToken) -> Event | None:
        """Read an event, and become the sender of its reply if there may be one and is no other."""
        row = await _wait(self._steps, event_id=event_id, token=token, process=self._process)
        return row.event() if row else None

    async def handed_over(self, event_id: EventId, token: LeaseToken) -> None:
        """Record that the reply has arrived; does nothing for one that is not its sender."""
        await _settle(
            self._steps,
            event_id=event_id,
            token=token,
            status=ReplyStatus.DELIVERED,
            failure="handed over in the answer to its request",
            delay_ms=0,
            unknown=False,
            keep=HISTORY_MAX,
        )

    async def let_go(self, event_id: EventId, token: LeaseToken, *, unknown: bool) -> bool:
        """Leave the reply to its address; True if it is due now. `unknown`: it may have arrived."""
        return await _leave(self._steps, event_id=event_id, token=token, may_have_arrived=unknown)
