"""Replies on record: one sender at a time brings each to n8n."""

import json
import math
from dataclasses import dataclass, field

from bridge.models import (
    EventId,
    LeaseToken,
    ListedReply,
    ProcessId,
    Reply,
    ReplyAttempt,
    ReplyStatus,
)
from bridge.store import reply_steps as step
from bridge.store.scripts import Answer, Steps

HISTORY_MAX = 50


@dataclass(frozen=True)
class Sending:
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


class ReplyStore:
    """Speaks Redis for replies."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def lease(self, event_id: EventId, token: LeaseToken) -> Sending | None:
        """Become the one sender of a pending reply, or get None when there is another or no need."""
        found = await self._steps.run(step.LEASE, id=event_id, token=token, process=self._process)
        if not found:
            return None
        url, value, left_ms, age_ms, attempt, tried_before, unknown, last_failure, server, hook = (
            found
        )
        return Sending(
            event_id=event_id,
            token=token,
            url=url.decode(),
            value=value,
            n8n_waits_s=int(left_ms) / 1000 if left_ms else math.inf,
            age_s=int(age_ms) / 1000,
            attempt=int(attempt),
            tries=int(attempt) - int(tried_before),
            unknown=unknown == b"1",
            last_failure=last_failure.decode(),
            server=server.decode(),
            hook=hook.decode(),
        )

    async def settle(
        self,
        sending: Sending,
        status: ReplyStatus,
        *,
        failure: str = "",
        delay_s: float = 0,
        unknown: bool = False,
    ) -> bool:
        """End an attempt; a pending reply is due again after `delay_s`. False: the lease was lost."""
        answer = await self._steps.run(
            step.SETTLE,
            id=sending.event_id,
            token=sending.token,
            status=status,
            failure=failure,
            delay_ms=round(delay_s * 1000),
            unknown=int(unknown),
            keep=HISTORY_MAX,
        )
        return answer == [b"settled"]

    async def put_off(self, sending: Sending, delay_s: float, failure: str) -> None:
        """Give up the right to send without having sent: it counts as no attempt.

        `failure` is put on record where there is no other.
        """
        await self._steps.run(
            step.PUT_OFF,
            id=sending.event_id,
            token=sending.token,
            delay_ms=round(delay_s * 1000),
            failure=failure,
        )

    async def abandon(self, event_id: str, token: str) -> None:
        """Let another process send: the outcome of the last attempt is unknown."""
        await self._steps.run(step.ABANDON, id=event_id, token=token)

    async def redrive(self, event_id: EventId) -> str:
        """Make a dead reply pending and due now, with all its time before it.

        Gives the status that the reply has then, `late` for one that stays dead since n8n waits no
        more, or `unknown`.
        """
        (answer,) = await self._steps.run(step.REDRIVE, id=event_id)
        return str(answer.decode())

    async def listed(
        self, status: ReplyStatus, *, server: str, hook: str, skip: int, limit: int
    ) -> list[ListedReply]:
        """List dead replies, those first that died first, or pending ones by when they are due.

        An empty `server` or `hook` stands for any. One that is being sent right now is in no list.
        """
        rows = await self._steps.run(
            step.LIST, status=status, server=server, hook=hook, skip=skip, limit=limit
        )
        return [
            ListedReply(EventId(event_id.decode()), server.decode(), hook.decode(), reply_of(reply))
            for event_id, server, hook, reply in rows
        ]

    async def attempts(self, event_id: EventId) -> list[ReplyAttempt]:
        """Read how the last attempts to send a reply ended, oldest first."""
        told = [json.loads(row) for row in await self._steps.run(step.ATTEMPTS, id=event_id)]
        return [
            ReplyAttempt(
                one["attempt"], one["at"], ReplyStatus(one["status"]), one["failure"] or None
            )
            for one in told
        ]

    async def sweep(self, limit: int, again_s: float) -> list[str]:
        """Name the replies that are due and not being sent; they are due again after `again_s`."""
        due = await self._steps.run(step.SWEEP, limit=limit, again_ms=round(again_s * 1000))
        return [event_id.decode() for event_id in due]


def reply_of(row: Answer) -> Reply:
    """Read a reply as the steps tell it: status, value, attempts, last failure."""
    status, value, attempts, last_failure = row
    return Reply(
        status=ReplyStatus(status.decode()),
        value=value,
        attempts=int(attempts),
        last_failure=last_failure.decode() if last_failure else None,
    )
