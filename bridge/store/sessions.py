"""Sessions on record, and their streams, readable by every web process.

A session is what a handshake settled. Of each of its streams it is known who reads it, how far that
surely got, and what its client is still owed: a request that a client has made is owed an answer.
Its process may die; then the next process that reads the client's stream serves it in its place.
"""

import json
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from bridge.errors import TooManySessionsError, TransientError
from bridge.formats.json_text import decode, encode
from bridge.models import CallId, Message, Owed, Principal, ProcessId, Session
from bridge.store.steps import Steps, step

SESSION_TTL_S = 24 * 3600
IN_USE_S = 360.0
"""A session that gave a sign of life within this time is never ended to make room."""

COME_BACK_S = 30.0


@dataclass(frozen=True)
class SessionLimits:
    """How long sessions are kept without a sign of life, and how many of them."""

    idle_s: int = SESSION_TTL_S
    of_principal: int = 10_000
    of_all: int = 100_000
    in_use_s: float = IN_USE_S


USUAL = SessionLimits()


def new_session_id() -> str:
    """Mint an unguessable session id (visible ASCII, as the Streamable HTTP spec demands)."""
    return secrets.token_urlsafe(24)


class SessionRow(NamedTuple):
    """A session as it is kept; `info` and `capabilities` are JSON."""

    server: str
    principal: str
    wire: str
    client: str
    version: str
    info: bytes
    capabilities: bytes


@step("sessions.write")
async def _write(
    steps: Steps,
    *,
    session_id: str,
    server: str,
    principal: str,
    wire: str,
    client: str,
    version: str,
    info: bytes,
    capabilities: bytes,
    ttl_s: int,
    in_use_ms: int,
    of_principal: int,
    of_all: int,
) -> str:
    """Write a session; returns `written`, or whose sessions leave no room for it."""


@step("sessions.read")
async def _read(steps: Steps, *, session_id: str, ttl_s: int) -> SessionRow | None:
    """Read a session, which is a sign of its life."""


@step("sessions.finish")
async def _finish(steps: Steps, *, session_id: str) -> None:
    """End a session."""


class SessionStore:
    """Speaks Redis for sessions."""

    def __init__(self, steps: Steps, limits: SessionLimits = USUAL) -> None:
        self._steps = steps
        self._limits = limits

    async def write(self, session: Session) -> None:
        """Put a session on record, or what its handshake has settled since.

        Where there are as many as there may be, the one that was idle longest ends for a new one.

        Raises:
            TooManySessionsError: all those of the principal are in use.
            TransientError: all those of everyone are.
        """
        limits = self._limits
        outcome = await _write(
            self._steps,
            session_id=session.session_id,
            server=session.principal.server,
            principal=session.principal.name,
            wire=session.wire,
            client=session.client,
            version=session.version,
            info=encode(session.info),
            capabilities=encode(session.capabilities),
            ttl_s=limits.idle_s,
            in_use_ms=round(limits.in_use_s * 1000),
            of_principal=limits.of_principal,
            of_all=limits.of_all,
        )
        if outcome == "principal":
            raise TooManySessionsError(COME_BACK_S)
        if outcome == "all":
            raise TransientError(
                "there are as many sessions as BRIDGE_SESSIONS_MAX allows, all of them in use",
                COME_BACK_S,
            )

    async def read(self, session_id: str, principal: Principal, wire: str) -> Session | None:
        """Read a session of this principal on this wire, which is a sign of its life."""
        row = await _read(self._steps, session_id=session_id, ttl_s=self._limits.idle_s)
        asked = (principal.server, principal.name, wire)
        if row is None or (row.server, row.principal, row.wire) != asked:
            return None
        return Session(
            session_id=session_id,
            principal=principal,
            wire=wire,
            client=row.client,
            version=row.version,
            info=json.loads(row.info),
            capabilities=json.loads(row.capabilities),
        )

    async def end(self, session_id: str) -> None:
        """Drop a session; its streams end."""
        await _finish(self._steps, session_id=session_id)


LIVED_WITHIN_S = 600.0
UNPROVEN_TTL_S = 3600


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader of one stream; `client` is empty for streams that are never looked for."""

    session_id: str
    stream: str
    reader: str
    client: str = ""


def probe_wake(session_id: str, stream: str) -> str:
    """Name the wake for whoever reads a stream to write a comment on it."""
    return f"probe:{session_id}:{stream}"


def prove_wake(session_id: str) -> str:
    """Name the wake for those who wrote to a session to settle what has arrived."""
    return f"prove:{session_id}"


def settled_wake(session_id: str) -> str:
    """Name the wake for when an answer of a session was settled."""
    return f"settled:{session_id}"


def reader_wake(session_id: str, stream: str) -> str:
    """Name the wake for when a stream got a reader or lost it."""
    return f"reader:{session_id}:{stream}"


class OwedRow(NamedTuple):
    """A request that is owed an answer, as JSON, and the call that it may start."""

    message: bytes
    call_id: str


@step("streams.attach")
async def _attach(
    steps: Steps, *, session_id: str, stream: str, reader: str, client: str, ttl_s: int
) -> str:
    """Become the one reader of a stream; returns the last frame that surely arrived."""


@step("streams.detach")
async def _detach(steps: Steps, *, session_id: str, stream: str, reader: str, client: str) -> bool:
    """Read no more."""


@step("streams.still_reads")
async def _still_reads(
    steps: Steps, *, session_id: str, stream: str, reader: str, frame: str, client: str, ttl_s: int
) -> bool:
    """Record that frames have arrived, and that the client lives."""


@step("streams.written")
async def _written(steps: Steps, *, session_id: str, receipt: str, ttl_s: int) -> None:
    """Record an answer that was written and may have arrived."""


@step("streams.settled")
async def _settled(
    steps: Steps, *, session_id: str, receipt: str, in_doubt: bool, ttl_s: int
) -> None:
    """Record that its writer has said what became of an answer."""


class ProvenRow(NamedTuple):
    """What a later request proves, and whether those who wrote more have still to say so."""

    proven: list[str]
    is_open: bool


@step("streams.proven")
async def _proven(steps: Steps, *, session_id: str, waits: bool) -> ProvenRow:
    """Read the answers that a later request proves to have arrived."""


@step("streams.is_read")
async def _is_read(steps: Steps, *, session_id: str, stream: str) -> bool:
    """Report whether a stream has a reader."""


@step("streams.is_kept")
async def _is_kept(steps: Steps, *, session_id: str, stream: str) -> bool:
    """Report whether a stream has frames, or an answer to come."""


@step("streams.recent")
async def _recent(steps: Steps, *, client: str, within_ms: int) -> list[str]:
    """Name the sessions of a client that lived of late."""


@step("streams.register")
async def _register(
    steps: Steps,
    *,
    session_id: str,
    request: str,
    message: bytes,
    stream: str,
    call_id: CallId,
    process: ProcessId,
    ttl_s: int,
    apart: bool,
) -> bool:
    """Put a request on record before it is served."""


@step("streams.drop")
async def _drop(steps: Steps, *, session_id: str, request: str, call_id: CallId) -> None:
    """Drop a request that its client wants no more."""


@step("streams.take_over")
async def _take_over(
    steps: Steps, *, session_id: str, stream: str, process: ProcessId, life_ms: int
) -> list[OwedRow]:
    """Take over the requests of a stream whose process is silent."""


class StreamStore:
    """Speaks Redis for streams."""

    def __init__(self, steps: Steps, process: ProcessId, limits: SessionLimits = USUAL) -> None:
        self._steps = steps
        self._process = process
        self._ttl_s = limits.idle_s

    async def attach(self, reading: Reading) -> str:
        """Become the stream's only reader; returns the last frame that surely arrived."""
        return await _attach(
            self._steps,
            session_id=reading.session_id,
            stream=reading.stream,
            reader=reading.reader,
            client=reading.client,
            ttl_s=self._ttl_s,
        )

    async def detach(self, reading: Reading) -> bool:
        """Read no more; False for a reader that was replaced before."""
        return await _detach(
            self._steps,
            session_id=reading.session_id,
            stream=reading.stream,
            reader=reading.reader,
            client=reading.client,
        )

    async def still_reads(self, reading: Reading, sure: str = "") -> bool:
        """Record that frames up to `sure` arrived, and that the client lives; False: replaced."""
        return await _still_reads(
            self._steps,
            session_id=reading.session_id,
            stream=reading.stream,
            reader=reading.reader,
            frame=sure,
            client=reading.client,
            ttl_s=self._ttl_s,
        )

    async def written(self, session_id: str, receipt: str) -> None:
        """Record an answer that was written to a stream of the session and may have arrived."""
        await _written(self._steps, session_id=session_id, receipt=receipt, ttl_s=UNPROVEN_TTL_S)

    async def settled(self, session_id: str, receipt: str, *, in_doubt: bool) -> None:
        """Record that an answer's fate is known, or `in_doubt` for good."""
        await _settled(
            self._steps,
            session_id=session_id,
            receipt=receipt,
            in_doubt=in_doubt,
            ttl_s=UNPROVEN_TTL_S,
        )

    async def proven(self, session_id: str, *, waits: bool) -> ProvenRow:
        """Return the receipts in doubt, which a later request of the session proves, once.

        Whoever wrote others is asked to settle them. A request that `waits` no longer leaves them
        in doubt: no later one asks again.
        """
        return await _proven(self._steps, session_id=session_id, waits=waits)

    async def is_read(self, session_id: str, stream: str) -> bool:
        """Report whether anyone reads a stream."""
        return await _is_read(self._steps, session_id=session_id, stream=stream)

    async def is_kept(self, session_id: str, stream: str) -> bool:
        """Report whether a stream has frames, or an answer to come."""
        return await _is_kept(self._steps, session_id=session_id, stream=stream)

    async def recent(self, client: str) -> list[str]:
        """Name the sessions of a client that lived within LIVED_WITHIN_S."""
        within_ms = round(LIVED_WITHIN_S * 1000)
        return await _recent(self._steps, client=client, within_ms=within_ms)

    async def register(self, session_id: str, stream: str, owed: Owed, *, apart: bool) -> bool:
        """Put a request on record before it is served; False: it was there already.

        One that is accepted `apart` is answered on another connection than the one that says so.
        """
        return await _register(
            self._steps,
            session_id=session_id,
            request=request_key(owed.message),
            message=encode(owed.message),
            stream=stream,
            call_id=owed.call_id,
            process=self._process,
            ttl_s=self._ttl_s,
            apart=apart,
        )

    async def drop(self, session_id: str, request: str, call_id: CallId) -> None:
        """Drop a request that its client wants no more, unless another of its id is owed by now."""
        await _drop(self._steps, session_id=session_id, request=request, call_id=call_id)

    async def take_over(self, session_id: str, stream: str, life_s: float) -> list[Owed]:
        """Take over the requests of a stream whose process has been silent for `life_s`."""
        rows = await _take_over(
            self._steps,
            session_id=session_id,
            stream=stream,
            process=self._process,
            life_ms=round(life_s * 1000),
        )
        return [Owed(decode(row.message), CallId(row.call_id)) for row in rows]


def request_key(message: Message) -> str:
    """Format a request's id so that 1 and "1" stay apart."""
    return encode(message["id"]).decode()
