"""The TCP connection that a request came on: what ASGI does not tell of it, and its end."""

import array
import asyncio
import contextlib
import fcntl
import logging
import select
import termios
from collections.abc import Awaitable, Callable, Container
from typing import Any, Literal

from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.net.vanishing import PATIENT

logger = logging.getLogger(__name__)

CONNECTION = "bridge.net.connection"
"""Where a request's scope names its connection, when we serve it.

A key of its own: the two dictionaries of an ASGI extension would last as long as a stream.
"""

PROXIED = (
    *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    *("x-real-ip", "x-client-ip", "true-client-ip", "x-envoy-external-address"),
    *("cf-connecting-ip", "cf-ray", "fastly-client-ip", "fly-client-ip"),
    *("x-cluster-client-ip", "x-original-forwarded-for", "x-amzn-trace-id"),
)
"""What proxies say of themselves: RFC 9110, 7.6.3; RFC 7239; what their documents name."""

Rest = Callable[[Send], Awaitable[None]]
"""Sends what is left of a response whose head is out."""

STALLED_AFTER_S = 30.0
"""How long a client may take nothing of what waits for it: two signs of life of a stream."""

SIOCOUTQNSD = 0x894B
"""Asks Linux for the bytes that have not been sent yet (linux/sockios.h)."""

HEAD = b"HTTP/1.1 "
"""How the head of an answer begins. A part of a body may too: it would wait as shortly."""


class Connection(asyncio.Transport):
    """One HTTP connection, whatever was answered on it: its transport, which counts what it writes.

    How much the peer has acknowledged can be measured only while the socket is open. So it is
    measured once more in the moment that the peer closes in good order (FIN); of a connection that
    ends otherwise (RST, time-out) nothing is known to have been taken, from the moment on that the
    system knows of it: a process that stood still hears of that after its timers. `is_sent_whole`
    says whether all had left this system by then.

    `close` lets the other side read what was written: to close with bytes unread makes the system
    send a reset, which destroys the answer on its way. So where the protocol must linger, writing
    ends first, and what still comes is dropped until the other side ends too (RFC 9112, 9.6).

    The head of an answer waits for what follows it, at most until the turn of the loop is over:
    head and body are two writes of the server, and would be two calls of the system and packets.

    What is written once it closes goes nowhere: of an answer that has requests waiting behind it
    the server does not see that its client has left, and uvloop takes no write then.

    `rest` is what the answer at hand goes on with once all that handled its request has returned: a
    stream that lasts for hours then costs no more than itself.
    """

    __slots__ = (
        *("_end_callbacks", "_head", "_is_over", "_protocol", "_taken_bytes", "_transport"),
        *("_written_bytes", "is_broken", "is_closed_by_peer", "is_lingering", "is_sent_whole"),
        "rest",
    )

    def __init__(
        self, transport: asyncio.Transport, protocol: "ConnectionProtocol | None" = None
    ) -> None:
        super().__init__()
        self._transport = transport
        self._protocol = protocol
        self.is_lingering = False
        self._written_bytes = 0
        self._head: bytes | bytearray | memoryview = b""
        self._taken_bytes = 0
        self._end_callbacks: tuple[Callable[[], object], ...] = ()
        self._is_over = False
        self.rest: Rest | None = None
        self.is_closed_by_peer = False
        self.is_broken = False
        self.is_sent_whole = False

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._written_bytes += len(data)
        if self.is_closing():
            return
        if self._head:
            head, self._head = self._head, b""
            # An empty part would wait in asyncio's buffer for ever, and the connection with it.
            self._transport.writelines((head, data) if data else (head,))
        elif data[: len(HEAD)] == HEAD:
            self._head = data
            asyncio.get_running_loop().call_soon(self._write_head)
        else:
            self._transport.write(data)

    def _write_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    @override
    def write_eof(self) -> None:
        self._write_head()
        with contextlib.suppress(OSError):  # the peer has reset it, which is heard of next
            self._transport.write_eof()

    @override
    def close(self) -> None:
        if self.is_closing():
            return
        if self._protocol is None or not self._protocol.must_linger():
            self.end()
            return
        self.is_lingering = True
        self.write_eof()
        self._transport.resume_reading()
        self._protocol.linger()

    def end(self) -> None:
        """Close without waiting for the other side."""
        self._taken_bytes = self.acknowledged_bytes()
        self._transport.close()

    @override
    def abort(self) -> None:
        self.is_broken |= not self.is_closed_by_peer
        self._transport.abort()

    @override
    def is_closing(self) -> bool:
        return self.is_lingering or self._transport.is_closing()

    @override
    def get_write_buffer_size(self) -> int:
        return len(self._head) + self._transport.get_write_buffer_size()

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    @override
    def pause_reading(self) -> None:
        self._transport.pause_reading()

    @override
    def resume_reading(self) -> None:
        if not self.is_closing():
            self._transport.resume_reading()

    def is_open(self) -> bool:
        """Report whether nobody has closed it."""
        return not self._is_over and not self._transport.is_closing()

    def is_reset(self) -> bool:
        """Report whether the system knows that it is broken, heard of or not (poll(2), POLLERR)."""
        found = select.poll()
        try:
            found.register(self._transport.get_extra_info("socket").fileno(), 0)
            return any(state & select.POLLERR for _, state in found.poll(0))
        except (OSError, ValueError):  # it is closed on this side
            return False

    def acknowledged_bytes(self) -> int:
        """Return how many of the bytes written the peer's system is known to have.

        Source: tcp(7), SIOCOUTQ, the bytes not acknowledged yet; where the system does not tell,
        what has left this process counts as taken.
        """
        self._write_head()
        if self._is_over or self._transport.is_closing() or self.is_reset():
            return self._taken_bytes
        unacknowledged_bytes = self._queued_bytes(termios.TIOCOUTQ)
        waiting_bytes = self._transport.get_write_buffer_size() + unacknowledged_bytes
        return self._written_bytes - waiting_bytes

    def is_taken(self) -> bool:
        """Report whether the peer's system is known to have all that was written."""
        return self.has_taken(self._written_bytes)

    def has_taken(self, written_bytes: int) -> bool:
        """Report whether the peer's system is known to have the first `written_bytes`."""
        return self.acknowledged_bytes() >= written_bytes

    def written_bytes(self) -> int | None:
        """Return how much has been written; None once the other end is gone: it went nowhere."""
        return None if self._is_over else self._written_bytes

    def add_end_callback(self, act: Callable[[], object]) -> None:
        """Have something done, once, as soon as the peer has closed it or it is lost."""
        if self._is_over:
            act()
        else:
            self._end_callbacks += (act,)

    def remove_end_callback(self, act: Callable[[], object]) -> None:
        """Have it done no more."""
        self._end_callbacks = tuple(other for other in self._end_callbacks if other != act)

    def peer_has_closed(self) -> None:
        """Record that the peer closes in good order, with what it has acknowledged by now."""
        self._taken_bytes = self.acknowledged_bytes()
        self.is_closed_by_peer = True
        self._end()

    def is_lost(self, error: Exception | None) -> None:
        """Record the end: an `error` before the peer has closed breaks it."""
        if error is not None and not self.is_closed_by_peer:
            self.is_broken = True
            self.is_sent_whole = not self._queued_bytes(SIOCOUTQNSD)
        self._protocol = None
        self._end()

    def cut_unless_taken(self) -> None:
        """End it now, if the peer's system has not taken all that was written."""
        if not self.is_taken():
            self.abort()

    def _queued_bytes(self, request: int) -> int:
        """Ask the system how much of what was written is in one of its queues."""
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), request, count)
        except OSError:
            return 0
        return count[0]

    def _end(self) -> None:
        self._is_over = True
        callbacks, self._end_callbacks = self._end_callbacks, ()
        for act in callbacks:
            act()


class BareEvent(asyncio.Event):
    """An event that holds no queue while nobody waits: an empty one takes 760 bytes."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self, *, is_set: bool = False) -> None:
        self._is_set = is_set
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    @override
    def is_set(self) -> bool:
        return self._is_set

    @override
    def set(self) -> None:
        self._is_set = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    @override
    def clear(self) -> None:
        self._is_set = False

    @override
    async def wait(self) -> Literal[True]:
        if not self._is_set:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting += (waiter,)
            try:
                await waiter
            finally:
                self._waiting = tuple(other for other in self._waiting if other is not waiter)
        return True


class BareFlow(FlowControl):
    """uvicorn's word for whether a connection may be written to, on an event that holds little."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._is_writable_event = BareEvent(is_set=True)


class Pipeline(list[Any]):
    """The requests of a connection behind the one at hand: few have any, and no deque is small."""

    __slots__ = ()

    def appendleft(self, request: Any) -> None:
        """Add the latest."""
        self.insert(0, request)


class ConnectionProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with the connection in the scope, and an end for clients that stall.

    ASGI has no word on either: once an answer is out, `receive` says "disconnected" whatever the
    client does, and for a client that does not read `send` waits for ever.
    """

    __slots__ = ("_stalling",)
    transport: Connection

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app = self._serve
        self.pipeline = Pipeline()  # type: ignore[assignment]
        self._stalling: asyncio.TimerHandle | None = None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.config.loaded_app(scope, receive, send)
        rest, self.transport.rest = self.transport.rest, None
        if rest:
            self.begin_rest()
            await rest(send)

    def begin_rest(self) -> None:
        """Drop what a stream does not need that may last for hours."""
        if not self.pipeline:  # else the cycle at hand is that of a later request
            self.cycle.message_event = BareEvent(is_set=self.cycle.message_event.is_set())

    def must_linger(self) -> bool:
        """Report whether the other side may still send, or learn of the end by this close only."""
        return False

    def linger(self) -> None:
        """Wait for the other side to end."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Have the system end it for a client that is gone without a word."""
        for option in PATIENT:
            transport.get_extra_info("socket").setsockopt(*option)
        super().connection_made(Connection(transport, self))
        self.flow = BareFlow(self.transport)

    @override
    def on_message_begin(self) -> None:
        """Begin the scope of a request, and name the connection in it."""
        super().on_message_begin()
        self.scope[CONNECTION] = self.transport  # type: ignore[literal-required]

    @override
    def eof_received(self) -> None:
        """Hear that the client sends no more: it closes in good order."""
        self.transport.peer_has_closed()
        super().eof_received()

    @override
    def pause_writing(self) -> None:
        """Hear that more is waiting to be read than the system and we hold back."""
        super().pause_writing()
        self._look_again()

    @override
    def resume_writing(self) -> None:
        """Hear that the client reads."""
        super().resume_writing()
        self._look_no_more()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the connection is gone."""
        self.transport.is_lost(exc)
        self._look_no_more()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        unread_bytes = self.transport.get_write_buffer_size()
        self._stalling = self.loop.call_later(STALLED_AFTER_S, self._cut_unless_read, unread_bytes)

    def _look_no_more(self) -> None:
        if self._stalling:
            self._stalling.cancel()

    def _cut_unless_read(self, unread_bytes: int) -> None:
        if self.transport.get_write_buffer_size() < unread_bytes:
            self._look_again()
            return
        logger.warning("http.stalled", extra={"client": self.client, "unread_bytes": unread_bytes})
        self.transport.abort()


def connection_of(scope: Scope) -> Connection | None:
    """Find the connection of a request; None when another server than ours serves it."""
    found = scope.get(CONNECTION)
    return found if isinstance(found, Connection) else None


def is_proxied(headers: Container[str]) -> bool:
    """Report by a request's headers whether somebody stands between client and connection."""
    return any(name in headers for name in PROXIED)
