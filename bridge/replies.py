"""The verb of replies: deliver one to the execution that waits for it."""

import json
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.backoff import delay_before
from bridge.models import EventId, Json, ReplyStatus, new_lease_token
from bridge.outcomes import Again, AgainOnce, AgainSoon, Dead, Delivered, Finished, ResumeOutcome
from bridge.store.replies import ReplyStore, Sending

logger = logging.getLogger(__name__)

Send = Callable[[str, Json, EventId], Awaitable[ResumeOutcome]]

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

    def __init__(self, store: ReplyStore, retry_s: float) -> None:
        self._store = store
        self._retry_s = retry_s

    async def deliver(self, event_id: EventId, send: Send) -> None:
        """Make one attempt to deliver a reply; does nothing when another sender has it."""
        sending = await self._store.lease(event_id, new_lease_token())
        if sending is None:
            return
        try:
            if self._is_too_late(sending):
                verdict = _Verdict(
                    ReplyStatus.DEAD, "the time in which n8n waits for the reply is over"
                )
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

    def _is_too_late(self, sending: Sending) -> bool:
        if sending.age_s > self._retry_s:
            return True
        return bool(sending.deadline) and datetime.fromisoformat(sending.deadline) <= datetime.now(
            UTC
        )

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


def _soon(sending: Sending) -> float:
    return delay_before(sending.attempt + 1, SOON_FIRST_S, SOON_CAP_S, random.random())


def _later(sending: Sending) -> float:
    return delay_before(sending.attempt + 1, FIRST_S, CAP_S, random.random())


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
