"""The verb of replies: deliver one to the execution that waits for it."""

import json
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bridge.backoff import delay_before
from bridge.errors import ConflictError, NotFoundError
from bridge.models import EventId, Json, ListedReply, ReplyAttempt, ReplyStatus, new_lease_token
from bridge.outcomes import Again, AgainOnce, AgainSoon, Dead, Delivered, Finished, ResumeOutcome
from bridge.queue import Queue
from bridge.store.replies import ReplyStore, Sending

logger = logging.getLogger(__name__)

Send = Callable[[str, Json, EventId], Awaitable[ResumeOutcome]]

TOO_LATE = "the time in which n8n waits for the reply is over"
SOON_FIRST_S, SOON_CAP_S = 0.1, 5.0
FIRST_S, CAP_S = 2.0, 300.0


@dataclass(frozen=True)
class _Verdict:
    status: ReplyStatus
    failure: str = ""
    delay_s: float = 0
    unknown: bool = False


class Replies:
    """Decides what becomes of replies."""

    def __init__(self, store: ReplyStore, queue: Queue, retry_s: float) -> None:
        self._store = store
        self._queue = queue
        self._retry_s = retry_s

    async def deliver(self, event_id: EventId, send: Send) -> None:
        """Make one attempt to deliver a reply; does nothing when another sender has it."""
        sending = await self._store.lease(event_id, new_lease_token())
        if sending is None:
            return
        try:
            if self._is_too_late(sending):
                verdict = _Verdict(ReplyStatus.DEAD, _too_late(sending))
            else:
                verdict = self._judge(
                    sending, await send(sending.url, json.loads(sending.value), event_id)
                )
        except BaseException:
            await self._store.abandon(event_id, sending.token)
            raise
        settled = await self._store.settle(
            sending,
            verdict.status,
            failure=verdict.failure,
            delay_s=verdict.delay_s,
            unknown=verdict.unknown,
        )
        if settled:
            _log(sending, verdict)

    async def redrive(self, event_id: EventId) -> ReplyStatus:
        """Send a dead reply again, with all the time of a fresh one; does nothing to a pending one.

        Raises:
            NotFoundError: there is no such reply.
            ConflictError: there is nothing to send, or n8n waits for it no more.
        """
        status = await self._store.redrive(event_id)
        match status:
            case ReplyStatus.PENDING:
                await self._queue.wake("deliver_reply", event_id)
                return ReplyStatus.PENDING
            case "unknown":
                raise NotFoundError("no such reply")
            case "late":
                raise ConflictError(f"the reply stays dead: {TOO_LATE}")
            case _:
                raise ConflictError(f"only a dead reply can be redriven; this one is {status}")

    async def attempts(self, event_id: EventId) -> list[ReplyAttempt]:
        """Read how the last 50 attempts to deliver a reply ended, oldest first."""
        return await self._store.attempts(event_id)

    async def list(
        self, status: ReplyStatus, *, server: str = "", hook: str = "", skip: int = 0, limit: int
    ) -> list[ListedReply]:
        """List replies that are dead, or pending and not being sent right now; oldest first.

        An empty `server` or `hook` stands for any.
        """
        return await self._store.listed(status, server=server, hook=hook, skip=skip, limit=limit)

    def _is_too_late(self, sending: Sending) -> bool:
        return sending.n8n_waits_s <= 0 or sending.age_s > self._retry_s

    def _judge(self, sending: Sending, outcome: ResumeOutcome) -> _Verdict:
        pending, unknown = ReplyStatus.PENDING, sending.unknown
        match outcome:
            case Delivered(note):
                return _Verdict(ReplyStatus.DELIVERED, note or "")
            case Finished() if unknown:
                return _Verdict(ReplyStatus.DELIVERED, "confirmed by 409")
            case Finished(reason) | Dead(reason):
                return _Verdict(ReplyStatus.DEAD, reason)
            case AgainSoon(reason):
                return _Verdict(pending, reason, _soon(sending), unknown)
            case AgainOnce(reason):
                delay_s = _later(sending) if unknown else SOON_FIRST_S
                return _Verdict(pending, reason, delay_s, unknown=True)
            case Again(reason, perhaps_arrived):
                return _Verdict(pending, reason, _later(sending), unknown or perhaps_arrived)


def _too_late(sending: Sending) -> str:
    last = f"; the last failure was: {sending.last_failure}" if sending.last_failure else ""
    return f"{TOO_LATE}{last}"


def _soon(sending: Sending) -> float:
    return delay_before(sending.tries + 1, SOON_FIRST_S, SOON_CAP_S, random.random())


def _later(sending: Sending) -> float:
    return delay_before(sending.tries + 1, FIRST_S, CAP_S, random.random())


def _log(sending: Sending, verdict: _Verdict) -> None:
    level = logging.WARNING if verdict.status is ReplyStatus.DEAD else logging.INFO
    logger.log(
        level,
        "reply.attempted",
        extra={
            "event_id": sending.event_id,
            "server": sending.server,
            "hook": sending.hook,
            "attempt": sending.attempt,
            "status": verdict.status,
            "failure": verdict.failure,
            "delay_s": round(verdict.delay_s, 3),
        },
    )
