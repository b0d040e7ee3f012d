"""What operators do: list, redrive, cancel, expire, and hear of events that no hook serves."""

import contextlib
import heapq
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.configuration.servers import Server
from bridge.errors import ConflictError, NotFoundError, TransientError
from bridge.formats.times import PastMoment
from bridge.models import (
    Call,
    CallId,
    CallStatus,
    Event,
    EventId,
    EventStatus,
    Principal,
    ReplyStatus,
    Timeline,
)
from bridge.store.calls import CallStore
from bridge.store.counters import Counters
from bridge.store.events import EventStore
from bridge.store.operators import OperatorStore
from bridge.verbs.approvals import Approvals
from bridge.verbs.pausing import CANCELLED, Pausing
from bridge.verbs.replies import Replies

logger = logging.getLogger(__name__)

EXPIRED = "expired by an operator"


@dataclass(frozen=True)
class RecordFilter:
    """Which records an operator asks for; None is any. `after` is an order number.

    `part` is a hook for events, a workflow for calls.
    """

    server: str | None = None
    part: str | None = None
    status: str | None = None
    after: int = 0
    limit: int = 20

    def covers(self, server: str, part: str) -> bool:
        """Report whether records of this place are asked for."""
        return self.server in (None, server) and self.part in (None, part)


class Operators:
    """Decides what operators may see and do."""

    def __init__(
        self, store: OperatorStore, events: EventStore, calls: CallStore, replies: Replies
    ) -> None:
        self._store = store
        self._events = events
        self._calls = calls
        self.replies = replies
        self.pausing = Pausing(store.pauses, store, calls)
        self.approvals = Approvals(store.approvals, calls)

    async def order_at(self, when: PastMoment) -> int:
        """Return the order number of a moment, by Redis's clock where it is so long ago."""
        if isinstance(when, datetime):
            return max(round(when.timestamp() * 1_000_000), 0)
        return await self._store.now_ms() * 1000 - when // timedelta(microseconds=1)

    async def servers(self) -> set[str]:
        """Return the names of all servers that have ever received an event or have calls on record.

        They need not be configured any more.
        """
        hooks, callers = await self._store.hooks(), await self._store.callers()
        return {server for server, _ in hooks} | {caller.server for caller in callers}

    async def events(self, wanted: RecordFilter) -> list[Event]:
        """List events of all servers, oldest first."""
        statuses = [EventStatus(wanted.status)] if wanted.status else list(EventStatus)
        pages = [
            await self._events.listed_of(hook[0], [hook[1]], statuses, wanted.after, wanted.limit)
            for hook in await self._store.hooks()
            if wanted.covers(*hook)
        ]
        return list(heapq.merge(*pages, key=lambda event: event.order))[: wanted.limit]

    async def event(self, event_id: str) -> tuple[Event, Timeline]:
        """Read one event and what happened to it.

        Raises:
            NotFoundError: there is no such event.
        """
        event = await self._events.read(EventId(event_id))
        if event is None:
            raise NotFoundError("no such event")
        return event, await self._store.timeline_of_event(event_id)

    async def payload(self, event_id: str) -> bytes:
        """Read an event's payload as JSON text; empty where there is none."""
        found = await self._events.read_body(EventId(event_id))
        return found[1].content if found else b""

    async def redrive(self, event_id: str) -> tuple[EventStatus, ReplyStatus]:
        """Put back what was set aside: a dead or expired event, or the dead reply of a settled one.

        Gives where the two stand then.

        Raises:
            NotFoundError: there is no such event.
            ConflictError: nothing of it was set aside, or n8n waits for the reply no more.
        """
        event, _ = await self.event(event_id)
        if event.reply.status is ReplyStatus.DEAD:
            reply = await self.replies.redrive(event.event_id)
            logger.info("reply.redriven", extra=_place(event))
            return event.status, reply
        outcome, status = await self._store.redrive(event.event_id, secrets.token_hex(8))
        if outcome == "unknown":
            raise NotFoundError("no such event")
        if outcome == "refused":
            settled = " and has its reply" if event.reply.value is not None else ""
            raise ConflictError(f"nothing was set aside: the event is {status}{settled}")
        logger.info("event.redriven", extra=_place(event))
        return EventStatus.QUEUED, event.reply.status

    async def release(self, event_id: str, by: str) -> EventStatus:
        """Queue a leased event again; its taker may still answer, until another has taken it.

        Raises:
            NotFoundError: there is no such event.
            ConflictError: nobody has taken it.
        """
        event, _ = await self.event(event_id)
        outcome, status = await self._store.pauses.take_back_event(event.event_id, by)
        if outcome != "released":
            raise ConflictError(f"nobody has taken the event: it is {status or 'gone'}")
        logger.info("event.released", extra=_place(event) | {"status": status})
        return EventStatus(status)

    async def expire(self, event_id: str) -> tuple[EventStatus, ReplyStatus]:
        """End the time of an event; n8n gets the hook's default reply, if there is one.

        A dead one stays dead. Returns where event and reply stand then.

        Raises:
            NotFoundError: there is no such event.
            ConflictError: it is settled.
        """
        event, _ = await self.event(event_id)
        outcome, status = await self._store.expire(event.event_id, EXPIRED)
        if outcome != "expired":
            raise ConflictError(f"the event is settled: it is {status or 'gone'}")
        logger.info("event.expired", extra=_place(event))
        event, _ = await self.event(event_id)
        return event.status, event.reply.status

    async def calls(self, wanted: RecordFilter) -> list[Call]:
        """List calls of all principals, oldest first."""
        pages = [
            await self._calls_of(caller, wanted)
            for caller in await self._store.callers()
            if wanted.server in (None, caller.server)
        ]
        return list(heapq.merge(*pages, key=lambda call: call.order))[: wanted.limit]

    async def _calls_of(self, caller: Principal, wanted: RecordFilter) -> list[Call]:
        found: list[Call] = []
        after = wanted.after
        while len(found) < wanted.limit:
            page = await self._calls.listed(caller, wanted.status or "", after, wanted.limit)
            found += [call for call in page if wanted.part in (None, call.workflow)]
            if len(page) < wanted.limit:
                break
            after = page[-1].order
        return found[: wanted.limit]

    async def call(self, call_id: str) -> tuple[Call, Timeline]:
        """Read one call and what happened to it.

        Raises:
            NotFoundError: there is no such call.
        """
        call = await self._calls.read(CallId(call_id))
        if call is None:
            raise NotFoundError("no such call")
        return call, await self._store.timeline_of_call(call_id)

    async def cancel(self, call_id: str) -> CallStatus:
        """End a call, sent or not; what n8n has already done stays done.

        Raises:
            NotFoundError: there is no such call.
            ConflictError: it has ended.
        """
        call, _ = await self.call(call_id)
        if not await self._calls.cancel(call.call_id, CANCELLED):
            call, _ = await self.call(call_id)
            raise ConflictError(f"the call has ended: it is {call.status}")
        logger.info(
            "call.cancelled",
            extra={"call_id": call_id, "server": call.principal.server, "tool": call.workflow},
        )
        return CallStatus.CANCELLED


def _place(event: Event) -> dict[str, object]:
    return {"event_id": event.event_id, "server": event.server, "hook": event.hook}


HOW_TO_MEND = (
    "no server file has this hook, so nobody can take its events before they expire: give a hook "
    "that name again, or see them with `n8n-bridge events ls --server SERVER --hook HOOK`"
)


@dataclass(frozen=True)
class Stranded:
    """How many events wait on a hook that there is no more."""

    server: str
    hook: str
    queued: int


async def stranded(
    store: OperatorStore, counters: Counters, servers: Mapping[str, Server]
) -> list[Stranded]:
    """Return the hooks that events wait on and that no server file has."""
    known = {(server.name, hook) for server in servers.values() for hook in server.hooks}
    gone = [hook for hook in await store.hooks() if hook not in known]
    inboxes = (await counters.read(gone)).inboxes
    waiting = (
        Stranded(*hook, inboxes[*hook, "queued"] + inboxes[*hook, "delayed"]) for hook in gone
    )
    return [each for each in waiting if each.queued]


async def warn_of_stranded(
    store: OperatorStore, counters: Counters, servers: Mapping[str, Server]
) -> None:
    """Report in the log which events wait on hooks that no server file has."""
    with contextlib.suppress(TransientError):
        for each in await stranded(store, counters, servers):
            logger.warning(
                "events.stranded",
                extra={
                    "server": each.server,
                    "hook": each.hook,
                    "queued": each.queued,
                    "warning": HOW_TO_MEND,
                },
            )
