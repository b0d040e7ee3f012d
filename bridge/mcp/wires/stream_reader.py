"""The reading side of a session's stream: what its outbox holds goes out until it has arrived.

A frame has arrived when the client's system had taken it and its stream was still open SURE_AFTER_S
later. One whose stream ends before that goes out again to the next reader of the stream, even where
its receipt was settled by the way in which the client left.
"""

import asyncio
import json
import math
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from mcp_types.jsonrpc import INTERNAL_ERROR
from sse_starlette.event import ServerSentEvent

from bridge.errors import TransientError
from bridge.mcp.exchange import encode, error_message
from bridge.mcp.http_acks import SURE_AFTER_S, TAKEN_AGAIN_S, AckConnection, HttpAck, HttpAcks
from bridge.mcp.wires.event_stream import KEEPALIVE, Last, event
from bridge.runtime import Runtime
from bridge.store.outbox import Frame
from bridge.store.processes import DIED, LIFE_S
from bridge.store.sessions import Owed, Reading, probe_wake
from bridge.store.signals import LOOK_AGAIN_S, Signal
from bridge.verbs.acks import NOTHING, AckState

RETRY_MS = 16_000
"""How soon a client comes back to a stream of the 2025 wires that broke off.

Claude Code 2.1 ends a session at the third connection error in a row, over all of its streams. It
has two here, so the first try of each must succeed: after this it survives an outage of 15 s.
"""

STANDING_RETRY_MS = 8000
"""Likewise where one stream is all, so that the second try may be the one that succeeds."""

COME_BACK_MS = 5000
COME_BACK = ServerSentEvent(retry=COME_BACK_MS, sep="\n").encode()
"""What a stream says when the process drains: any other process goes on with it, or itself soon.

Where the bridge ends a connection and not its stream, nothing is away, and it is as soon.
"""

DROPPED = (
    "the answer was dropped, for nobody read this stream while much was said on it; list_calls and "
    "read_call find what a workflow has brought"
)

HANG_UP = b""
"""The frame at which a connection ends and its stream does not."""

SIGN_OF_LIFE_S = 120.0
"""How often the record of a session that is read says so, where nothing else does."""

Adopt = Callable[[Owed], None]


def new_reading(session_id: str, stream: str, client: str = "") -> Reading:
    """Make one more reader of a stream; it replaces the one before."""
    return Reading(session_id, stream, secrets.token_hex(8), client)


@dataclass
class WrittenFrame:
    """A frame on its way; `place` is where on its connection it ends, once it is out."""

    frame: Frame
    sure_at: float
    place: int | None = None
    is_settled: bool = False


@dataclass
class StreamReader:
    """Reads one stream to its end.

    `format_id` makes event ids, `take_over` serves what is owed, on `ack_connection`;
    `http_acks` are those of this process.
    """

    runtime: Runtime
    reading: Reading
    format_id: Callable[[str], str]
    take_over: Adopt
    ack_connection: AckConnection
    http_acks: HttpAcks
    _unsure: deque[WrittenFrame] = field(default_factory=deque)
    _last: list[HttpAck] = field(default_factory=list)
    _after: str = ""
    _keepalive_at: float = 0
    _look_at: float = 0
    _sign_at: float = 0

    async def frames(self, after: str) -> AsyncGenerator[bytes, None]:
        """Yield the frames behind `after` as events, with comments in between.

        Goes on to the stream's last frame, to a hang-up, to the end of the session, or until
        another reader takes over.
        """
        self._after = after
        self._keepalive_at = _now() + self.runtime.settings.keepalive_s
        self._sign_at = _now() + SIGN_OF_LIFE_S
        try:
            with self._listening() as (woken, died, probed):
                await self._take_over()
                while (found := await self._look()) is not None:
                    for frame in found:
                        self._after = frame.frame_id
                        self._unsure.append(WrittenFrame(frame, _now() + SURE_AFTER_S))
                        await self._hold(frame)
                        if frame.is_last:
                            self._hand_over_all()
                            yield Last(self._format(frame))
                            for http_ack in self._last:
                                http_ack.is_written()
                            return
                        yield self._format(frame)
                        self._unsure[-1].place = self.ack_connection.place()
                        if frame.content == HANG_UP and not frame.dropped:
                            return
                    while not found and not await self._pause(woken, died):
                        yield self._keepalive()
                    if _now() >= self._keepalive_at or await probed.wait(0):
                        yield self._keepalive()
        finally:
            await asyncio.shield(self._leave())

    @contextmanager
    def _listening(self) -> Iterator[tuple[Signal, Signal, Signal]]:
        """Hear of all that concerns the stream, of dead processes, and of probes."""
        signals, session, stream = (
            self.runtime.signals,
            self.reading.session_id,
            self.reading.stream,
        )
        probes = () if self.ack_connection.is_clients else (probe_wake(session, stream),)
        names = (f"outbox:{session}:{stream}", f"session:{session}", DIED, *probes)
        with (
            signals.subscribed(*names) as woken,
            signals.subscribed(DIED) as died,
            signals.subscribed(*probes) as probed,
        ):
            yield woken, died, probed

    async def _look(self) -> list[Frame] | None:
        try:
            found = await self.runtime.outbox.read(self.reading, self._after)
        except TransientError:
            self._look_at = self._keepalive_at
            return []
        self._look_at = _now() + LOOK_AGAIN_S
        return found

    async def _pause(self, woken: Signal, died: Signal) -> bool:
        """Wait, settling what is sure by then; True for the next look, False for a comment."""
        while True:
            ends_at = min(self._keepalive_at, self._look_at)
            is_notified = await woken.wait(max(min(self._due_at(), ends_at) - _now(), 0))
            if await died.wait(0):
                await self._take_over()
            if is_notified:
                return True
            await self._be_sure()
            if _now() >= ends_at:
                return _now() >= self._look_at

    def _keepalive(self) -> bytes:
        self._keepalive_at = _now() + self.runtime.settings.keepalive_s
        return KEEPALIVE

    def _due_at(self) -> float:
        return self._unsure[0].sure_at if self._unsure else math.inf

    async def _be_sure(self) -> None:
        sure = ""
        while self._unsure and self._unsure[0].sure_at <= _now():
            written = self._unsure[0]
            if not await self._settle_while_open(written):
                written.sure_at = _now() + TAKEN_AGAIN_S
                break
            self._unsure.popleft()
            sure = written.frame.frame_id
        if sure or _now() >= self._sign_at:
            self._sign_at = _now() + SIGN_OF_LIFE_S
            with suppress(TransientError):
                await self.runtime.streams.still_reads(self.reading, sure)

    async def _settle_while_open(self, written: WrittenFrame) -> bool:
        """Settle what became of a frame; False as long as the client has not taken it."""
        fate = self.ack_connection.fate_while_open(written.place)
        if fate is None:
            return False
        if not written.is_settled:
            written.is_settled = True
            await self._settle(written.frame, fate)
        return True

    def _hand_over_all(self) -> None:
        """Leave what has not arrived yet to those of the connection: the stream ends before it."""
        for written in self._unsure:
            if written.frame.receipt != NOTHING and not written.is_settled:
                frame = written.frame
                settle = partial(self._settle, frame)
                self._last.append(self.http_acks.begin(self.ack_connection, frame.receipt, settle))
        self._unsure.clear()

    async def _hold(self, frame: Frame) -> None:
        if frame.receipt == NOTHING:
            return
        with suppress(TransientError):
            await self.runtime.acks.hold(frame.receipt)
            await self.runtime.streams.written(self.reading.session_id, frame.receipt)

    async def _settle(self, frame: Frame, fate: AckState) -> None:
        """Act on a frame's fate; in doubt, a later request of the session may yet prove it."""
        if frame.receipt == NOTHING:
            return
        with suppress(TransientError):
            await self.runtime.acks.settle(frame.receipt, fate)
            if fate is not AckState.IN_DOUBT:
                await self.runtime.streams.settled(self.reading.session_id, frame.receipt)

    async def _leave(self) -> None:
        """Settle what was written by how the client has left, and give back what was not."""
        for http_ack in self._last:
            http_ack.settle_unless_written()
        with suppress(TransientError):
            if not await self.runtime.streams.detach(self.reading):
                return
            for written in [each for each in self._unsure if not each.is_settled]:
                fate = self.ack_connection.fate_at_end(written.place, is_complete=False)
                await self._settle(written.frame, fate)
            unseen = await self.runtime.outbox.read(replace(self.reading, reader=""), self._after)
            for frame in unseen or ():
                await self._settle(frame, AckState.LOST)

    async def _take_over(self) -> None:
        try:
            reading = self.reading
            for owed in await self.runtime.streams.take_over(
                reading.session_id, reading.stream, LIFE_S
            ):
                self.take_over(owed)
        except TransientError:
            return

    def _format(self, frame: Frame) -> bytes:
        event_id = self.format_id(frame.frame_id)
        if frame.dropped:
            answer = error_message(json.loads(frame.dropped), INTERNAL_ERROR, DROPPED)
            return event(encode(answer).decode(), event_id=event_id)
        if frame.content == HANG_UP:
            return prime(event_id, COME_BACK_MS)
        return event(frame.content.decode(), event_id=event_id)


def prime(event_id: str, retry_ms: int = RETRY_MS) -> bytes:
    """Format the event that says nothing but where a stream can be resumed, and how soon."""
    return event("", name=None, event_id=event_id, retry_ms=retry_ms)


def _now() -> float:
    return asyncio.get_running_loop().time()
