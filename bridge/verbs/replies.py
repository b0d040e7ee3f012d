"""Replies on their way to n8n: to a held request, or by attempts until one is taken."""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from bridge.backoff import delay_before
from bridge.errors import ConflictError, InvalidError, NotFoundError, TransientError
from bridge.formats.json_text import decode
from bridge.meters import REPLY_ATTEMPTS
from bridge.models import (
    Event,
    EventId,
    EventStatus,
    Json,
    LeaseToken,
    ReplyAttempt,
    ReplyStatus,
    new_lease_token,
)
from bridge.n8n.outcomes import (
    Again,
    AgainOnce,
    AgainSoon,
    Dead,
    Delivered,
    Finished,
    ResumeOutcome,
    outcome_name,
)
from bridge.n8n.reply_address import ReplyAddress, ReplyAddresses
from bridge.queue import Queue
from bridge.store.breakers import Breakers
from bridge.store.replies import DirectReplyStore, ReplyLease, ReplyStore
from bridge.store.signals import Signals
from bridge.tracing import EndedSpan

TOO_LATE = "the time in which n8n waits for the reply is over"
SOON_FIRST_S, SOON_CAP_S = 0.1, 5.0
FIRST_S, CAP_S = 2.0, 300.0
LAST_TRY_S = 1.0
"""How long before the end of its time a reply is tried for the last time."""


@dataclass(frozen=True)
class Verdict:
    """What a reply becomes; a pending one is due again after `delay_s`."""

    status: ReplyStatus
    failure: str = ""
    delay_s: float = 0
    unknown: bool = False


def too_late(sending: ReplyLease) -> Verdict:
    """Set a reply aside that nobody waits for any more, with what kept it from arriving."""
    last = f"; the last failure was: {sending.last_failure}" if sending.last_failure else ""
    return Verdict(ReplyStatus.DEAD, f"{TOO_LATE}{last}")


def judge(sending: ReplyLease, outcome: ResumeOutcome, left_s: float, jitter: float) -> Verdict:
    """Decide on n8n's answer to an attempt, with `left_s` of the reply's time left before it.

    Where an earlier attempt may have arrived, an execution that is over is one that got the reply.
    """
    match outcome:
        case Delivered(note):
            return Verdict(ReplyStatus.DELIVERED, note or "")
        case Finished() if sending.unknown:
            return Verdict(ReplyStatus.DELIVERED, "confirmed by 409")
        case Finished(reason) | Dead(reason):
            return Verdict(ReplyStatus.DEAD, reason)
        case AgainSoon() | AgainOnce() | Again():
            return _again(sending, outcome, left_s, jitter)


def _again(
    sending: ReplyLease, outcome: AgainSoon | AgainOnce | Again, left_s: float, jitter: float
) -> Verdict:
    unknown, attempt = sending.unknown, sending.tries + 1
    delay_s = delay_before(attempt, FIRST_S, CAP_S, jitter)
    match outcome:
        case AgainSoon():
            delay_s = delay_before(attempt, SOON_FIRST_S, SOON_CAP_S, jitter)
        case AgainOnce():
            unknown, delay_s = True, delay_s if unknown else SOON_FIRST_S
        case Again():
            unknown = unknown or outcome.unknown
    return Verdict(ReplyStatus.PENDING, outcome.reason, within(left_s, delay_s), unknown)


def _record_attempt(sending: ReplyLease, outcome: ResumeOutcome, began_at_s: float) -> None:
    name = outcome_name(outcome)
    EndedSpan(
        f"reply {sending.hook}",
        sending.trace,
        sending.event_id,
        began_at_s,
        {
            "server": sending.server,
            "hook": sending.hook,
            "event_id": sending.event_id,
            "attempt": sending.attempt,
            "outcome": name,
        },
        part=f"reply {sending.attempt}",
        failure="" if isinstance(outcome, Delivered) else name,
        asks_n8n=True,
    ).record()


def within(left_s: float, delay_s: float) -> float:
    """Shorten a wait that would outlast the reply's time, for one more attempt to be made in it."""
    return min(delay_s, max(left_s - LAST_TRY_S, LAST_TRY_S)) if math.isfinite(left_s) else delay_s


logger = logging.getLogger(__name__)

Send = Callable[[ReplyAddress, Json, EventId, float], Awaitable[ResumeOutcome]]
"""Sends a reply to an address, with the id of its event, within so many seconds."""


class Replies:
    """Decides what becomes of replies."""

    def __init__(
        self,
        store: ReplyStore,
        breakers: Breakers,
        queue: Queue,
        addresses: ReplyAddresses,
        retry_s: float,
    ) -> None:
        self._store = store
        self._breakers = breakers
        self._queue = queue
        self._addresses = addresses
        self._retry_s = retry_s

    async def deliver(self, event_id: EventId, send: Send) -> None:
        """Make one attempt to deliver a reply; does nothing when another sender has it.

        While the circuit of its origin is open the reply is put off, which is no attempt.
        """
        sending = await self._store.lease(event_id, new_lease_token())
        if sending is None:
            return
        try:
            verdict = await self._attempt(sending, send)
        except BaseException:
            await self._store.abandon(event_id, sending.token)
            raise
        if verdict is not None:
            await self._settle(sending, verdict)

    async def _attempt(self, sending: ReplyLease, send: Send) -> Verdict | None:
        """Send if there is still time, leave and a healthy origin; None when it was put off."""
        left_s = min(sending.n8n_waits_s, self._retry_s - sending.age_s)
        if left_s <= 0:
            return too_late(sending)
        try:
            # Once more: the settings may have changed since the address was let in.
            address = self._addresses.check(sending.url)
        except InvalidError as error:
            return Verdict(ReplyStatus.DEAD, error.faults[0].detail)
        rest_s = await self._breakers.admit(address.origin, sending.token)
        if rest_s > 0:
            delay_s = within(left_s, rest_s * (1 + random.random() / 4))
            await self._store.put_off(sending, delay_s, "n8n has failed too often to be asked now")
            return None
        began_at_s = time.time()
        outcome = await send(address, decode(sending.value), sending.event_id, left_s)
        REPLY_ATTEMPTS.labels(outcome_name(outcome)).inc()
        _record_attempt(sending, outcome, began_at_s)
        await self._tell_breaker(address.origin, sending, outcome)
        return judge(sending, outcome, left_s, random.random())

    async def _tell_breaker(self, origin: str, sending: ReplyLease, outcome: ResumeOutcome) -> None:
        if isinstance(outcome, Again) and outcome.is_down:
            if await self._breakers.failed(origin, sending.token):
                logger.warning("reply.circuit_opened", extra={"origin": origin})
        elif await self._breakers.worked(origin):
            logger.info("reply.circuit_closed", extra={"origin": origin})

    async def _settle(self, sending: ReplyLease, verdict: Verdict) -> None:
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


def _log(sending: ReplyLease, verdict: Verdict) -> None:
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


T = TypeVar("T")
LOOK_AGAIN_S = 5.0
PAUSE_S = 0.5
_OPEN = (EventStatus.QUEUED, EventStatus.LEASED)


class DirectReplies:
    """Decides whether a reply has gone back with the request that asked for it.

    While the sender of an event waits, its process holds the reply's lease, so nothing goes to the
    reply address. Only an answer that was surely written settles the reply; in any doubt, the death
    of the process included, the lease is let go and the reply is sent to its address.
    """

    def __init__(self, store: DirectReplyStore, signals: Signals, queue: Queue) -> None:
        self._store = store
        self._signals = signals
        self._queue = queue

    async def wait(self, event: Event, token: LeaseToken, wait_s: float) -> Event:
        """Wait until an event is open no more, at most `wait_s`; cancelled, it lets the reply go.

        A store that is away meanwhile is waited for like the reply.

        Raises:
            NotFoundError: the event is gone.
        """
        ends_at = _now() + wait_s
        try:
            with self._signals.subscribed(f"event:{event.event_id}") as woken:
                while True:
                    with contextlib.suppress(TransientError):
                        event = await self._look(event.event_id, token)
                    left_s = ends_at - _now()
                    if event.status not in _OPEN or left_s <= 0:
                        return event
                    await woken.wait(min(left_s, LOOK_AGAIN_S))
        except BaseException:
            await self._let_go(event.event_id, token, perhaps_arrived=False)
            raise

    async def _look(self, event_id: EventId, token: LeaseToken) -> Event:
        event = await self._store.look(event_id, token)
        if event is None:
            raise NotFoundError("no such event")
        return event

    async def settle(self, event: Event, token: LeaseToken, *, is_written: bool) -> None:
        """End the waiting when the answer is out: a reply that was surely written is settled."""
        is_told = event.reply.status == ReplyStatus.PENDING
        if is_told and is_written:
            await _surely(lambda: self._store.handed_over(event.event_id, token))
        else:
            await self._let_go(event.event_id, token, perhaps_arrived=is_told)

    async def _let_go(self, event_id: EventId, token: LeaseToken, *, perhaps_arrived: bool) -> None:
        """Leave the reply to its address."""
        if await _surely(lambda: self._store.let_go(event_id, token, unknown=perhaps_arrived)):
            await self._queue.wake("deliver_reply", event_id)


async def _surely(step: Callable[[], Awaitable[T]]) -> T:
    """Take a step, however long the store is away: nobody else ends a living process's lease."""
    while True:
        try:
            return await step()
        except TransientError:
            await asyncio.sleep(PAUSE_S)


def _now() -> float:
    return asyncio.get_running_loop().time()
