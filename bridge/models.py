"""The nouns: what the bridge keeps, in the words of its public face."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NewType

from typing_extensions import override

REASON_CHARS_MAX = 1000
"""How long a reason may be for which an event is given back."""
PAUSE_S_MAX = 7 * 86_400
"""How long an event that is given back may rest."""

Json = str | int | float | Decimal | bool | None | list["Json"] | dict[str, "Json"]
"""A JSON value; a Decimal is a number that no double holds."""

Message = dict[str, Any]
"""One JSON-RPC message."""

EventId = NewType("EventId", str)
CallId = NewType("CallId", str)
LeaseToken = NewType("LeaseToken", str)
ProcessId = NewType("ProcessId", str)
SubscriptionId = NewType("SubscriptionId", str)
BulkId = NewType("BulkId", str)


def new_event_id() -> EventId:
    """Mint an unguessable event id (128 random bits, url-safe)."""
    return EventId("evt_" + secrets.token_urlsafe(16))


def new_call_id() -> CallId:
    """Mint an unguessable call id (128 random bits, url-safe)."""
    return CallId("call_" + secrets.token_urlsafe(16))


def new_bulk_id() -> BulkId:
    """Mint an unguessable id of a bulk act (128 random bits, url-safe)."""
    return BulkId("bulk_" + secrets.token_urlsafe(16))


def new_lease_token() -> LeaseToken:
    """Mint the token that fences late writers of one lease (64 random bits, url-safe).

    It is good for its holder alone, and so no secret; it must only never be minted twice.
    """
    return LeaseToken(secrets.token_urlsafe(8))


def new_process_id(kind: str, mark: str = "") -> ProcessId:
    """Mint the name under which one web or worker process holds leases; it ends with the mark."""
    return ProcessId(f"{kind}-{secrets.token_hex(8)}{mark}")


def instant(at_ms: int, precision: str = "milliseconds") -> str:
    """Format a moment as RFC 3339 in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec=precision)[:-6] + "Z"


def second(at_ms: int) -> str:
    """Format a moment to the second, for who is spared the rest."""
    return instant(at_ms, "seconds")


def moment_ms(text: str) -> int:
    """Read a moment as RFC 3339 spells it, in ms since 1970.

    Raises:
        ValueError: it is none.
    """
    return round(datetime.fromisoformat(text).timestamp() * 1000)


class EventStatus(StrEnum):
    """Where an event stands."""

    QUEUED = "queued"
    LEASED = "leased"
    ANSWERED = "answered"
    DEAD = "dead"
    EXPIRED = "expired"


class ReplyStatus(StrEnum):
    """Where Claude's answer to an event stands on its way to n8n."""

    NONE = "none"
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class SubscriptionStatus(StrEnum):
    """Whether a subscription's receiver takes what it is sent; a suspended one is sent nothing."""

    ACTIVE = "active"
    FAILING = "failing"
    SUSPENDED = "suspended"


class CallStatus(StrEnum):
    """Where one run of a workflow stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Report whether the call has ended."""
        return self not in (CallStatus.QUEUED, CallStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a server and the name of the token, subject or place that proved it."""

    server: str
    name: str

    @override
    def __str__(self) -> str:
        """Format it on one line."""
        return f"{self.server}/{self.name}"


@dataclass(frozen=True)
class Body:
    """A payload as its bytes and the media type that tells how to read them."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Reply:
    """Claude's answer to one event; `attempts` counts the tries to deliver it."""

    status: ReplyStatus
    value: bytes | None
    attempts: int
    last_failure: str | None


@dataclass(frozen=True)
class ReplyAttempt:
    """How one try to deliver a reply ended, and what the reply became with it."""

    attempt: int
    at_ms: int
    status: ReplyStatus
    failure: str | None


@dataclass(frozen=True)
class Pause:
    """A place in which operators let nothing begin.

    It is `server`, or `server/part` for the hook and the workflow that have that name. `by` is who
    paused it, at a moment of Redis's clock.
    """

    place: str
    by: str
    at_ms: int

    def covers(self, server: str, part: str) -> bool:
        """Report whether a hook or a workflow is paused by it."""
        return self.place in (server, f"{server}/{part}")


def paused_since(at_ms: int) -> str:
    """Return the words for what is paused, and since when."""
    return f"paused by an operator since {second(at_ms)}"


@dataclass(frozen=True)
class Event:
    """One payload received on a hook; times are on Redis's clock, `attempt` counts leases.

    `merged` counts the later requests that became part of it, the newest of which gave the payload;
    `execution` is n8n's, as `workflow/execution` or the execution's id alone, where it is known;
    `kept` holds the `headers` and the `query` that the hook shows beside the payload; `trace` is
    the one that its request is part of, as `trace_of` returns it. `paused_at_ms` is since when
    its hook is paused, while it is queued there.
    """

    event_id: EventId
    server: str
    hook: str
    status: EventStatus
    attempt: int
    received_at_ms: int
    order: int
    media_type: str
    summary: str
    reason: str | None
    reply: Reply
    merged: int = 0
    execution: str = ""
    kept: dict[str, Json] = field(default_factory=dict, hash=False)
    trace: str = ""
    paused_at_ms: int | None = None

    @property
    def names(self) -> dict[str, str | int]:
        """Where it came in, and its id."""
        return {"server": self.server, "hook": self.hook, "event_id": self.event_id}


@dataclass(frozen=True)
class Moment:
    """One line of a timeline: what happened to a record, and what there is to say of it."""

    at_ms: int
    what: str
    said: dict[str, Json]


def origin_of(tool_use: str, client: str) -> str:
    """Return what a timeline keeps of a use of a tool; nothing where its client gives it no id."""
    return f"{tool_use[:100]} of {client[:100]}" if tool_use else ""


@dataclass(frozen=True)
class Timeline:
    """What happened to a record, oldest first; of a long one `left_out` are not kept."""

    moments: tuple[Moment, ...]
    left_out: int


class ApprovalStatus(StrEnum):
    """Whether somebody has agreed to a call that must be approved."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Approval:
    """How the approval of a call stands.

    `digest` is of all that is approved. `asks` says who is asked: `console`, `elicitation` or
    `hook NAME`; until `ends_at_ms`. `by` is who has decided, `reason` why, empty for none.
    """

    status: ApprovalStatus
    digest: str
    asks: str
    ends_at_ms: int
    by: str = ""
    decided_at_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Question:
    """An event that a workflow sent in the middle of a call, whose reply it waits for."""

    event_id: EventId
    hook: str
    is_taken: bool
    body: Body


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a workflow; `arguments` and `result` are JSON, times are on Redis's clock.

    `execution` is n8n's own id of the run, where the webhook has told it; `file_bytes` is how long
    the file is that it ended with, 0 where it did not. `attached` says that whoever asked has
    joined it; `is_shared_task` that it is the task of one who has. `paused_at_ms` is since when its
    workflow is paused, while it waits for that to end. `approval` is there where somebody must
    approve of it.
    """

    call_id: CallId
    principal: Principal
    workflow: str
    status: CallStatus
    attempt: int
    order: int
    created_at_ms: int
    updated_at_ms: int
    age_ms: int
    arguments: bytes
    sent: bool
    failure: str | None
    progress: float | None
    message: str | None
    is_bridge_fault: bool
    is_awaited: bool
    execution: str | None
    trace: str
    result: bytes | None
    attached: bool = False
    is_shared_task: bool = False
    questions: tuple[Question, ...] = ()
    file_bytes: int = 0
    paused_at_ms: int | None = None
    approval: Approval | None = None

    @property
    def unapproved(self) -> Approval | None:
        """Return the approval that it waits for, if it does."""
        waits = self.approval and self.approval.status is ApprovalStatus.WAITING
        return self.approval if waits and not self.status.is_final else None

    @property
    def asks(self) -> bool:
        """Report whether it waits for an answer that nobody has set about giving."""
        return bool(self.unanswered)

    @property
    def unanswered(self) -> tuple[Question, ...]:
        """Return the open questions that nobody has set about answering, oldest first."""
        return tuple(question for question in self.questions if not question.is_taken)

    @property
    def question(self) -> Question | None:
        """Return the open question that comes next, for those who can be asked but one."""
        return next(iter(self.unanswered or self.questions), None)


FRAME_ID = r"\d{1,19}-\d{1,19}"
"""How a frame's id is spelt, as a regular expression; Redis refuses longer numbers."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One JSON-RPC message on its way out; nothing follows the `last` one of a stream.

    `receipt` names what is handed over once the frame has arrived; empty for nothing. A frame that
    answered a request and made room for others has no content: `dropped` names the request.
    """

    frame_id: str
    content: bytes
    is_last: bool
    receipt: str
    dropped: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One client's handshake, `info` and `capabilities` its own; no `version`: not yet made."""

    session_id: str
    principal: Principal
    wire: str
    client: str
    version: str = ""
    info: Any = None
    capabilities: Any = None


@dataclass(frozen=True, slots=True)
class Owed:
    """A request whose answer is owed on a stream, with the id of the call that it may start."""

    message: Message
    call_id: CallId


@dataclass(frozen=True)
class LeaseRef:
    """The right that a writer claims: an event's id, its lease's token and the principal.

    `origin` is by which use of a tool it claims that, as `origin_of` says it.
    """

    event_id: EventId
    token: LeaseToken
    principal: Principal
    origin: str = ""

    @property
    def server(self) -> str:
        """The server of the principal."""
        return self.principal.server

    @property
    def taker(self) -> str:
        """The name of the principal."""
        return self.principal.name
