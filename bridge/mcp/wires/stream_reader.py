"""The reading side of a session's stream: what its outbox holds goes out until it has arrived.

A frame has arrived when the client's system had taken it and its stream was still open SURE_AFTER_S
later. One whose stream ends before that goes out again to the next reader of the stream, even where
its receipt was settled by the way in which the client left.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from mcp_types.jsonrpc import INTERNAL_ERROR
from sse_starlette.event import ServerSentEvent

from bridge.errors import TransientError
from bridge.mcp.exchange import encode, error_message
from bridge.mcp.http_acks import SURE_AFTER_S, TAKEN_AGAIN_S, AckConnection, HttpAck, HttpAcks
from bridge.mcp.session_notifications import SessionNotifications
from bridge.mcp.wires.event_stream import Last, event, keepalive
from bridge.models import FRAME_ID, Frame, Owed
from bridge.store.signals import Signal
from bridge.verbs.acks import NOTHING
from bridge.verbs.sessions import HANG_UP, LOOK_WITHIN_S, Notice, StreamReading, notices_of

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

SIGN_OF_LIFE_S = 120.0
"""How often the record of a session that is read says so, where nothing else does."""


PLACE = re.compile(rf"([\w-]{{1,64}})/({FRAME_ID})", re.ASCII)
"""An event id: what it is the place in, a session or one stream of it, and the frame."""

COMMENTED = {Notice.KEEPALIVE, Notice.PROBE}
LOOKED_AT = {Notice.FRAMES, Notice.SESSION}


@dataclass(slots=True)
class WrittenFrame:
    """A frame on its way; `place` is where on its connection it ends, once it is out.

    What it says is not kept: a client that does not read may have megabytes on their way.
    """

    frame_id: str
    receipt: str
    sure_at: float
    place: int | None = None
    is_settled: bool = False


@dataclass(slots=True)
class StreamReader:
    """Reads one stream to its end.

    `keepalive` is the signal for its comments. Event ids begin with `place`. `serve` serves what is
    owed; what was written goes out on `ack_connection`, and `http_acks` are those of this process.
    `notifications` are those of a session, on its standing stream.
    """

    reading: StreamReading
    keepalive: str
    place: str
    serve: Callable[[Owed], None]
    ack_connection: AckConnection
    http_acks: HttpAcks
    notifications: SessionNotifications | None
    _found: list[Frame] = field(default_factory=list)
    _unsure: list[WrittenFrame] = field(default_factory=list)
    _last: tuple[HttpAck, ...] = ()
    _after: str = ""
    _is_over: bool = False
    _look_at: float = 0
    _sign_at: float = 0

    async def frames(self, after: str, opening: bytes = b"") -> AsyncGenerator[bytes, None]:
        """Yield the frames behind `after` as events, with comments in between.

        Goes on to the stream's last frame, to a hang-up, to the end of the session, or until
        another reader takes over. `opening` is what it says before.
        """
        self._after = after
        self._sign_at = _now() + SIGN_OF_LIFE_S
        is_probed = not self.ack_connection.is_clients
        try:
            if opening:
                yield opening
            with self.reading.subscribed(self.keepalive, is_probed=is_probed) as woken:
                await self.reading.take_over(self.serve)
                await self._notify()
                while await self._look():
                    is_due = bool(self._found)
                    while self._found:
                        yield await self._write(self._found.pop(0))
                        self._is_written()
                        if self._is_over:
                            return
                    while not is_due:
                        notices = await self._pause(woken)
                        if notices & COMMENTED:
                            yield keepalive()
                        is_due = bool(notices & LOOKED_AT) or _now() >= self._look_at
        finally:
            await asyncio.shield(self._leave())

    def event_id(self, frame_id: str) -> str:
        """Format the id by which a client asks for what follows a frame."""
        return f"{self.place}/{frame_id}"

    async def _write(self, frame: Frame) -> bytes:
        """Answer for a frame from now on, and return what is written of it."""
        self._after = frame.frame_id
        self._unsure.append(WrittenFrame(frame.frame_id, frame.receipt, _now() + SURE_AFTER_S))
        await self.reading.hold(frame)
        self._is_over = frame.is_last or (frame.content == HANG_UP and not frame.dropped)
        if not frame.is_last:
            return self._format(frame)
        self._hand_over_all()
        return Last(self._format(frame))

    def _is_written(self) -> None:
        if self._unsure:
            self._unsure[-1].place = self.ack_connection.place()
        for http_ack in self._last:
            http_ack.is_written()
            http_ack.settle_when(self.reading.asked())

    async def _look(self) -> bool:
        """Take what has come; False when nothing will."""
        found: list[Frame] | None = []
        try:
            found = await self.reading.look(self._after)
            self._look_at = _now() + LOOK_WITHIN_S
        except TransientError:
            self._look_at = _now()
        self._found = found or []
        return found is not None

    async def _pause(self, woken: Signal) -> set[Notice]:
        """Wait for a signal, settling what is sure by then; return what it says."""
        names: tuple[str, ...] = ()
        while not names:
            if self._unsure:
                names = await woken.wait(max(self._unsure[0].sure_at - _now(), 0))
            else:
                names = await woken.notified()
            await self._be_sure()
        notices = notices_of(names)
        if Notice.DEATH in notices:
            await self.reading.take_over(self.serve)
        if Notice.LATER_REQUEST in notices:
            for written in self._unsure:
                await self._settle_while_open(written)
        if Notice.SESSION in notices:
            await self._notify()
        return notices

    async def _notify(self) -> None:
        if self.notifications:
            await self.notifications.look()

    async def _be_sure(self) -> None:
        sure = ""
        while self._unsure and self._unsure[0].sure_at <= _now():
            written = self._unsure[0]
            if not await self._settle_while_open(written):
                written.sure_at = _now() + TAKEN_AGAIN_S
                break
            del self._unsure[0]
            sure = written.frame_id
        if sure or _now() >= self._sign_at:
            self._sign_at = _now() + SIGN_OF_LIFE_S
            await self.reading.still_reads(sure)

    async def _settle_while_open(self, written: WrittenFrame) -> bool:
        """Settle what became of a frame; False as long as the client has not taken it."""
        fate = self.ack_connection.fate_while_open(written.place)
        if fate is None:
            return False
        if not written.is_settled:
            written.is_settled = True
            await self.reading.settle(written.receipt, fate)
        return True

    def _hand_over_all(self) -> None:
        """Leave what has not arrived yet to those of the connection: the stream ends before it."""
        for written in self._unsure:
            if written.receipt != NOTHING and not written.is_settled:
                settle = partial(self.reading.settle, written.receipt)
                ack = self.http_acks.begin(self.ack_connection, written.receipt, settle)
                self._last += (ack,)
        self._unsure.clear()

    async def _leave(self) -> None:
        """Settle what was written by how the client has left, and give back what was not."""
        for http_ack in self._last:
            http_ack.settle_unless_written()
        if self.notifications:
            await self.notifications.end()
        with suppress(TransientError):
            if not await self.reading.detach():
                return
            for written in [each for each in self._unsure if not each.is_settled]:
                fate = self.ack_connection.fate_at_end(written.place, is_complete=False)
                await self.reading.settle(written.receipt, fate)
            await self.reading.lose_unseen(self._after)

    def _format(self, frame: Frame) -> bytes:
        event_id = self.event_id(frame.frame_id)
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
