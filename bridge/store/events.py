"""Events on record: accepted once, read, and settled by the holder of the newest lease."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.errors import ConflictError, Fault, FullError, InvalidError, TooManyError
from bridge.formats.file_pages import OFFSET_MAX
from bridge.formats.json_text import decode
from bridge.formats.quantities import Rate
from bridge.models import (
    Body,
    Event,
    EventId,
    EventStatus,
    LeaseRef,
    Reply,
    ReplyStatus,
    moment_ms,
)
from bridge.store.steps import Steps, step

IDEMPOTENCY_WINDOW_S = 24 * 3600
SWEEP_LIMIT = 200
_LIMITS = {"too many": TooManyError, "full": FullError}
_NO_CALL = Fault("", "Bridge-Call-Id names no call of this server")


@dataclass(slots=True)
class NewEvent:
    """What is written when a payload is accepted; empty texts stand for what was not given.

    `kept` is JSON of what is shown beside the payload. `idempotency` is a digest of hook and key,
    `digest` one of body and reply address, `coalesce` one of what later requests must have in
    common with it to be merged into it. `call_id` is the call in whose middle it is asked.
    """

    event_id: EventId
    server: str
    hook: str
    body: Body
    summary: str
    digest: str
    idempotency: str
    reply_url: str = field(repr=False)
    reply_deadline: str
    default_reply: str
    lease_s: float
    max_attempts: int
    answer_within_s: float
    ttl_s: int
    files: tuple[bytes, ...] = ()
    rate: Rate | None = None
    queued_max: int | None = None
    execution: str = ""
    coalesce: str = ""
    coalesce_for_s: float = 0
    call_id: str = ""
    kept: str = ""
    trace: str = ""
    window_s: int = IDEMPOTENCY_WINDOW_S

    @property
    def content(self) -> bytes:
        """The payload as it came."""
        return self.body.content

    @property
    def media_type(self) -> str:
        """How the payload is to be read."""
        return self.body.media_type

    @property
    def reply_deadline_ms(self) -> int | None:
        """When n8n gives up waiting, in milliseconds since 1970."""
        return moment_ms(self.reply_deadline) if self.reply_deadline else None

    @property
    def all_files(self) -> bytes:
        """The files that came along, one behind the other."""
        return b"".join(self.files)

    @property
    def file_sizes(self) -> list[int]:
        """How many bytes each of them has."""
        return [len(file) for file in self.files]

    @property
    def rate_count(self) -> int:
        """How many events may come within `rate_ms`; 0 for any number."""
        return self.rate.count if self.rate else 0

    @property
    def rate_ms(self) -> int:
        """The time that the rate is counted in."""
        return round(self.rate.window_s * 1000) if self.rate else 0

    @property
    def queue_limit(self) -> int:
        """How many events may be queued; 0 for any number."""
        return self.queued_max or 0

    @property
    def coalesce_ms(self) -> int:
        """For how long later requests are merged into it."""
        return round(self.coalesce_for_s * 1000)

    def event(self, order: int, received_at_ms: int) -> Event:
        """Return the event as it is once it was written."""
        return Event(
            event_id=self.event_id,
            server=self.server,
            hook=self.hook,
            status=EventStatus.QUEUED,
            attempt=0,
            received_at_ms=received_at_ms,
            order=order,
            media_type=self.media_type,
            summary=self.summary,
            reason=None,
            reply=Reply(ReplyStatus.NONE, None, 0, None),
            execution=self.execution,
            kept=decode(self.kept) if self.kept else {},
            trace=self.trace,
        )


class EventRow(NamedTuple):
    """An event as steps answer it; `status` may be `delayed`, which is queued for later."""

    id: str
    server: str
    hook: str
    status: str
    attempt: int
    received_at: int
    order: int
    media_type: str
    summary: str
    reason: str | None
    merged: int | None
    execution: str | None
    kept: str | None
    trace: str | None
    reply: Reply
    paused_at: int | None

    def event(self) -> Event:
        """Return the event."""
        return Event(
            event_id=EventId(self.id),
            server=self.server,
            hook=self.hook,
            status=EventStatus.QUEUED if self.status == "delayed" else EventStatus(self.status),
            attempt=self.attempt,
            received_at_ms=self.received_at,
            order=self.order,
            media_type=self.media_type,
            summary=self.summary,
            reason=self.reason,
            reply=self.reply,
            merged=self.merged or 0,
            execution=self.execution or "",
            kept=decode(self.kept) if self.kept else {},
            trace=self.trace or "",
            paused_at_ms=self.paused_at if self.status in ("queued", "delayed") else None,
        )


class AcceptedRow(NamedTuple):
    """What became of a payload, and the event that it is, or why it is none."""

    outcome: str
    detail: str | None
    order: int | None
    received_at: int | None
    event: EventRow | None


class AgedRow(NamedTuple):
    """An event, and how long ago it came."""

    age_ms: int
    event: EventRow


class BodyRow(NamedTuple):
    """A payload, and whose it is."""

    server: str
    body: bytes
    media_type: str


class FileRow(NamedTuple):
    """A part of a file, and how long the whole is."""

    part: bytes
    whole_bytes: int


class Settled(NamedTuple):
    """What became of a claim, and what there is to say of it: a status, or a moment."""

    outcome: str
    detail: str


@step("intake.accept")
async def _accept(steps: Steps, *, new: NewEvent) -> AcceptedRow:
    """Write an event, or find what it is a part or a duplicate of, or why it is refused."""


@step("events.read")
async def _read(steps: Steps, *, event_id: EventId) -> EventRow | None:
    """Read one event."""


@step("events.read_aged")
async def _read_aged(steps: Steps, *, event_id: EventId) -> AgedRow | None:
    """Read one event and its age."""


@step("events.read_body")
async def _read_body(steps: Steps, *, event_id: EventId) -> BodyRow | None:
    """Read the payload of one event."""


@step("events.read_file")
async def _read_file(
    steps: Steps, *, event_id: EventId, number: int, first: int, last: int
) -> FileRow:
    """Read the bytes from `first` to `last` of a file."""


@step("events.list")
async def list_events(
    steps: Steps,
    *,
    server: str,
    hooks: Sequence[str],
    statuses: Sequence[str],
    after: int,
    limit: int,
) -> list[EventRow]:
    """Read at most `limit` events of each hook and status, behind an order number."""


@step("events.taken_at")
async def _taken_at(steps: Steps, *, event_id: EventId) -> int | None:
    """Read when an event was taken last."""


@step("events.answer")
async def _answer(steps: Steps, *, claim: LeaseRef, value: bytes) -> Settled:
    """Settle an event with its answer."""


@step("events.extend")
async def _extend(steps: Steps, *, claim: LeaseRef, seconds: float) -> Settled:
    """Move the end of a lease."""


@step("claims.release")
async def _release(
    steps: Steps, *, claim: LeaseRef, status: str, delay_ms: int, reason: str
) -> Settled:
    """Release a lease."""


@step("claims.sweep_leases")
async def _sweep_leases(steps: Steps, *, limit: int) -> list[str]:
    """Queue the events whose lease or delay is over; names them."""


@step("events.sweep_deadlines")
async def _sweep_deadlines(steps: Steps, *, limit: int) -> list[str]:
    """Expire the events whose time is over; names them."""


class EventStore:
    """Speaks Redis for events."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def accept(self, new: NewEvent) -> tuple[str, Event | None]:
        """Write an event once: `accepted`, or `duplicate` or `conflict` for a key seen before.

        `merged` comes with the event that this one became part of.

        Raises:
            TooManyError, FullError: it is new, and one more than its limits allow.
        """
        found = await _accept(self._steps, new=new)
        if found.outcome == "no call":
            raise InvalidError("nobody asks this", (_NO_CALL,))
        if found.outcome == "call ended":
            raise ConflictError(f"the call that Bridge-Call-Id names has {found.detail}")
        if found.outcome in _LIMITS:
            raise _LIMITS[found.outcome](int(found.detail or 0) / 1000)
        if found.order is not None and found.received_at is not None:
            return found.outcome, new.event(found.order, found.received_at)
        return found.outcome, found.event.event() if found.event else None

    async def read(self, event_id: EventId) -> Event | None:
        """Read one event without its payload."""
        found = await _read(self._steps, event_id=event_id)
        return found.event() if found else None

    async def read_aged(self, event_id: EventId) -> tuple[Event, int] | None:
        """Read one event without its payload, and how many ms ago it was received."""
        found = await _read_aged(self._steps, event_id=event_id)
        return (found.event.event(), found.age_ms) if found else None

    async def read_body(self, event_id: EventId) -> tuple[str, Body] | None:
        """Read the server and the payload of one event."""
        found = await _read_body(self._steps, event_id=event_id)
        return (found.server, Body(found.body, found.media_type)) if found else None

    async def read_file(
        self, event_id: EventId, number: int, offset: int, size_bytes: int
    ) -> tuple[bytes, int]:
        """Read a part of a file that came with an event, and how long the whole is, in bytes."""
        first = min(offset, OFFSET_MAX)
        found = await _read_file(
            self._steps, event_id=event_id, number=number, first=first, last=first + size_bytes - 1
        )
        return found.part, found.whole_bytes

    async def listed(
        self, server: str, hooks: Sequence[str], status: EventStatus, after: int, limit: int
    ) -> list[Event]:
        """List at most `limit` events in the order they came, after the order number given."""
        return await self.listed_of(server, hooks, (status,), after, limit)

    async def listed_of(
        self,
        server: str,
        hooks: Sequence[str],
        statuses: Sequence[EventStatus],
        after: int,
        limit: int,
    ) -> list[Event]:
        """List events of several statuses, likewise."""
        kept = [*statuses, *(["delayed"] if EventStatus.QUEUED in statuses else [])]
        rows = await list_events(
            self._steps, server=server, hooks=hooks, statuses=kept, after=after, limit=limit
        )
        return sorted((row.event() for row in rows), key=lambda event: event.order)[:limit]

    async def taken_at_ms(self, event_id: EventId) -> int | None:
        """Read when an event was taken last; None where its timeline does not tell any more."""
        return await _taken_at(self._steps, event_id=event_id)

    async def answer(self, held: LeaseRef, value: bytes) -> tuple[str, str]:
        """Settle an event: (`answered`, reply status) or (`lost`, status of the event)."""
        settled = await _answer(self._steps, claim=held, value=value)
        return settled.outcome, settled.detail

    async def extend(self, held: LeaseRef, seconds: float) -> tuple[str, str]:
        """Move the lease's end: (`extended`, end in ms) or (`lost`, status)."""
        settled = await _extend(self._steps, claim=held, seconds=seconds)
        return settled.outcome, settled.detail

    async def release(
        self, held: LeaseRef, *, status: str, delay_s: float = 0, reason: str = ""
    ) -> tuple[str, str]:
        """Release the lease: (`released`, status) or (`lost`, status).

        The event becomes `queued`, `delayed` or `dead` as asked, or `dead` after its last attempt.
        """
        settled = await _release(
            self._steps, claim=held, status=status, delay_ms=round(delay_s * 1000), reason=reason
        )
        return settled.outcome, settled.detail

    async def sweep(self) -> int:
        """Return events whose lease or delay ran out, expire those past their deadline."""
        leases = await _sweep_leases(self._steps, limit=SWEEP_LIMIT)
        deadlines = await _sweep_deadlines(self._steps, limit=SWEEP_LIMIT)
        return len(leases) + len(deadlines)
