"""Sessions: what their handshakes settled, what goes out on their streams, and what has arrived.

Any process serves any session, so all that one would have to know of another is on record: what
goes out is in a stream's outbox first, and read from there; a request is owed its answer by whoever
serves the session then; answers of clients and their cancellations wait for the process that waits
for them.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from bridge.configuration.settings import Settings
from bridge.errors import TransientError
from bridge.formats.json_text import encode
from bridge.models import CallId, Frame, Message, Owed, Principal, Session
from bridge.store.outbox import Outbox
from bridge.store.processes import DIED, LIFE_S
from bridge.store.sessions import (
    IN_USE_S,
    Reading,
    SessionLimits,
    SessionStore,
    StreamStore,
    new_session_id,
    probe_wake,
    prove_wake,
    reader_wake,
    request_key,
    settled_wake,
)
from bridge.store.signals import LOOK_AGAIN_S, Signal, Signals
from bridge.verbs.acks import NOTHING, Acks, AckState

logger = logging.getLogger(__name__)

STANDING = "standing"
"""The stream of a session that belongs to no request."""

HANG_UP = b""
"""The frame at which a connection ends and its stream does not."""

LOOK_WITHIN_S = LOOK_AGAIN_S
"""How soon a stream is looked at again, for a signal may be lost."""

TRY_AGAIN_S = 5.0
PROVE_WITHIN_S = 0.3
"""How long a request waits for the writers of earlier answers: a frozen one says nothing."""
NOTED = re.compile(r"(bridge|cancel)-[\w-]+", re.ASCII)


async def insist(step: Callable[[], Awaitable[object]]) -> None:
    """Take a step that nobody else will take, and again for as long as Redis is away."""
    while True:
        try:
            await step()
        except TransientError as error:
            logger.warning("outbox.waiting", extra={"reason": str(error)})
        else:
            return


class Notice(StrEnum):
    """What a stream's reader is notified of: how the names of its signals begin."""

    FRAMES = "outbox"
    SESSION = "session"
    LATER_REQUEST = "prove"
    DEATH = DIED
    KEEPALIVE = "keepalive"
    PROBE = "probe"


def notices_of(names: Iterable[str]) -> set[Notice]:
    """Return what the names of notified signals say."""
    return {Notice(name.partition(":")[0]) for name in names}


def cancel_note(request_id: object) -> str:
    """Name the record of the client's wish to have a request cancelled.

    A digest, for the id is the client's own and may be of any length and spelling.
    """
    return "cancel-" + hashlib.sha256(str(request_id).encode()).hexdigest()[:32]


def limits_of(settings: Settings) -> SessionLimits:
    """Return how many sessions the settings let there be, and for how long."""
    return SessionLimits(
        idle_s=settings.session_idle_s,
        of_principal=settings.principal_sessions_max,
        of_all=settings.sessions_max,
        in_use_s=max(IN_USE_S, 3 * settings.keepalive_s),
    )


@dataclass(frozen=True)
class SessionStores:
    """What is kept of sessions, and by what a process hears of it."""

    sessions: SessionStore
    streams: StreamStore
    outbox: Outbox
    signals: Signals


class Sessions:
    """Decides what becomes of sessions."""

    def __init__(self, stores: SessionStores, acks: Acks) -> None:
        self._stores = stores
        self._acks = acks

    def begin(self, principal: Principal, wire: str, client: str, version: str = "") -> Session:
        """Return a session that is not on record yet."""
        return Session(new_session_id(), principal, wire, client, version)

    async def settle(self, session: Session) -> None:
        """Put a session on record, or what its handshake has settled since.

        Raises:
            TooManySessionsError: all those of the principal are in use.
            TransientError: all those of everyone are.
        """
        await self._stores.sessions.write(session)

    async def find(self, session_id: str, principal: Principal, wire: str) -> Session | None:
        """Read a session of this principal on this wire, which is a sign of its life."""
        return await self._stores.sessions.read(session_id, principal, wire)

    async def find_recent(self, client: str, principal: Principal, wire: str) -> Session | None:
        """Read the one session of a client that lived of late; None where there are several."""
        recent = await self._stores.streams.recent(client)
        return await self.find(recent[0], principal, wire) if len(recent) == 1 else None

    async def end(self, session: Session) -> None:
        """Drop a session at its client's wish; its streams end."""
        await self._stores.sessions.end(session.session_id)

    async def prove(self, session: Session) -> None:
        """Take a request of the session as proof that the answers written before it arrived.

        Not of those whose bytes the client's system has not taken, or whose connection is broken.
        Only their writers know, and those who do not say so in time leave them in doubt.
        """
        session_id = session.session_id
        is_in_time = True
        with self._stores.signals.subscribed(settled_wake(session_id)) as settled:
            ends_at = _now() + PROVE_WITHIN_S
            while True:
                found = await self._stores.streams.proven(session_id, waits=is_in_time)
                for ack in found.proven:
                    await self._acks.settle(ack, AckState.RECEIVED)
                if not found.is_open or not is_in_time:
                    return
                is_in_time = bool(await settled.wait(ends_at - _now()))

    async def take_note(self, session: Session, message: Message) -> None:
        """Act on a message that wants no answer: a client's own answer, or a cancellation."""
        if "method" not in message:
            request_id = str(message.get("id"))
        elif message["method"] == "notifications/cancelled":
            request_id = cancel_note((message.get("params") or {}).get("requestId"))
        else:
            return
        if NOTED.fullmatch(request_id):
            answer = encode(message, compact=True)
            await self._stores.outbox.put_answer(session.session_id, request_id, answer)

    def stream(self, session_id: str, stream: str) -> "SessionStream":
        """Return one stream of a session."""
        return SessionStream(self._stores, session_id, stream)

    def reading(self, session_id: str, stream: str, client: str = "") -> "StreamReading":
        """Return one more reader of a stream; once attached it replaces the one before."""
        reading = Reading(session_id, stream, secrets.token_hex(8), client)
        return StreamReading(self._stores, self._acks, reading)


@dataclass(frozen=True, slots=True)
class SessionStream:
    """One stream of a session, as whoever serves its requests has it."""

    _stores: SessionStores
    session_id: str
    stream: str

    @property
    def is_standing(self) -> bool:
        """Whether it belongs to no request."""
        return self.stream == STANDING

    async def append(self, content: bytes) -> None:
        """Put a frame into the outbox."""
        await self._stores.outbox.append(self.session_id, self.stream, content)

    async def answer(self, content: bytes, ack: str, owed: Message | None) -> None:
        """Put the answer to what is `owed` into the outbox; the stream of one request ends with it.

        A client waits for nothing but this frame, so a Redis that is away is waited for.
        """
        await insist(
            partial(
                self._stores.outbox.answer,
                self.session_id,
                self.stream,
                content,
                ends=not self.is_standing,
                receipt=ack,
                request=request_key(owed) if owed else "",
            )
        )

    async def register(self, message: Message, call_id: CallId) -> bool:
        """Put a request on record before it is served; False when it was there before."""
        owed = Owed(message, call_id)
        streams, apart = self._stores.streams, self.is_standing
        return await streams.register(self.session_id, self.stream, owed, apart=apart)

    async def drop(self, owed: Message, call_id: CallId) -> None:
        """Drop a request that is owed and that its client wants no more.

        Else it would be served again, so a Redis that is away is waited for.
        """
        await insist(
            partial(self._stores.streams.drop, self.session_id, request_key(owed), call_id)
        )

    async def is_read(self) -> bool:
        """Report whether anyone reads it."""
        return await self._stores.streams.is_read(self.session_id, self.stream)

    async def is_kept(self) -> bool:
        """Report whether it has frames, or an answer to come."""
        return await self._stores.streams.is_kept(self.session_id, self.stream)

    @property
    def reader_changes(self) -> str:
        """The signal for when it got a reader or lost it."""
        return reader_wake(self.session_id, self.stream)

    async def probe(self) -> None:
        """Have whoever reads it write a comment."""
        await self._stores.signals.notify(probe_wake(self.session_id, self.stream))

    async def answer_to(self, request_id: str) -> bytes:
        """Wait until an answer of the client is on record, whichever process put it there."""
        with self._stores.signals.subscribed(f"answer:{self.session_id}:{request_id}") as woken:
            while True:
                look_again_s = TRY_AGAIN_S
                with contextlib.suppress(TransientError):
                    kept = await self._stores.outbox.read_answer(self.session_id, request_id)
                    if kept is not None:
                        return kept
                    look_again_s = LOOK_AGAIN_S
                await woken.wait(look_again_s)


@dataclass(frozen=True, slots=True)
class StreamReading:
    """One reader of one stream: what it is to write, and what has become of what it wrote."""

    _stores: SessionStores
    _acks: Acks
    _reading: Reading

    async def attach(self) -> str:
        """Become the stream's only reader; returns the last frame that surely arrived."""
        return await self._stores.streams.attach(self._reading)

    def subscribed(self, keepalive: str, *, is_probed: bool) -> Signal:
        """Return the signal of all that concerns the stream, by the names of notices."""
        session_id, stream = self._reading.session_id, self._reading.stream
        names = [
            f"{Notice.FRAMES}:{session_id}:{stream}",
            f"{Notice.SESSION}:{session_id}",
            prove_wake(session_id),
            DIED,
            keepalive,
        ]
        probes = [probe_wake(session_id, stream)] if is_probed else []
        return self._stores.signals.subscribed(*names, *probes)

    async def look(self, after: str) -> list[Frame] | None:
        """Read the frames behind `after`; None once another reads the stream, or it is over."""
        return await self._stores.outbox.read(self._reading, after)

    async def hold(self, frame: Frame) -> None:
        """Answer for a frame that is about to be written: with this process it would be lost."""
        if frame.receipt != NOTHING:
            with contextlib.suppress(TransientError):
                await self._acks.hold(frame.receipt)
                await self._stores.streams.written(self._reading.session_id, frame.receipt)

    async def settle(self, receipt: str, fate: AckState) -> None:
        """Act on an answer's fate; in doubt, a later request of the session may yet prove it."""
        if receipt != NOTHING:
            with contextlib.suppress(TransientError):
                await self._acks.settle(receipt, fate)
                await self._stores.streams.settled(
                    self._reading.session_id, receipt, in_doubt=fate is AckState.IN_DOUBT
                )

    async def asked(self) -> None:
        """Wait for a later request of the session, which proves what has arrived before it."""
        with self._stores.signals.subscribed(prove_wake(self._reading.session_id)) as asked:
            await asked.notified()

    async def still_reads(self, sure: str) -> None:
        """Record that frames up to `sure` arrived, and that the client lives."""
        with contextlib.suppress(TransientError):
            await self._stores.streams.still_reads(self._reading, sure)

    async def detach(self) -> bool:
        """Read no more; False for a reader that was replaced before."""
        return await self._stores.streams.detach(self._reading)

    async def lose_unseen(self, after: str) -> None:
        """Settle what stands behind `after` as lost: nobody reads it any more."""
        nobody = replace(self._reading, reader="")
        for frame in await self._stores.outbox.read(nobody, after) or ():
            await self.settle(frame.receipt, AckState.LOST)

    async def take_over(self, serve: Callable[[Owed], None]) -> None:
        """Have what is owed on the stream, and was served by a process that is dead, served."""
        reading = self._reading
        with contextlib.suppress(TransientError):
            owed = await self._stores.streams.take_over(reading.session_id, reading.stream, LIFE_S)
            for each in owed:
                serve(each)


def _now() -> float:
    return asyncio.get_running_loop().time()
