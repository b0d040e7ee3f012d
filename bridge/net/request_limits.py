"""What a sender may cost before anybody knows it: bytes, time and files of one HTTP connection.

uvicorn bounds none of these: a header may grow for ever, copied whole at each piece, and a sender
may take any time between two bytes.
"""

import asyncio
import enum
import logging
from typing import Any, cast

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    RequestResponseCycle,
)

from bridge.configuration.settings import MAX_BODY_BYTES
from bridge.local.ports import OpenFiles
from bridge.net.connection import ConnectionProtocol
from bridge.net.problem import count_refusal, problem
from bridge.net.request_body import unread_coding

logger = logging.getLogger(__name__)

HEAD_BYTES_MAX = 64 * 1024
"""The request line and all headers, or all that follows a body's last byte."""
HEAD_S = 20.0
BODY_LOOK_S = 20.0
"""How often a body's rate is looked at."""
BODY_BYTES_A_LOOK = 20 * 1024
"""What a body must bring between two looks: 1 KiB a second, which any line can."""
BODY_S = 300.0
"""The time for a whole body: n8n and Node's clients give up after as long."""
LINGER_S = 2.0
"""How long one that closes waits for the other side's next byte, or its end."""
PIPELINED_MAX = 100
"""Requests that may be sent ahead of their answers: each costs memory before it is served."""
DROPPED_BYTES_MAX = 2 * MAX_BODY_BYTES
"""How much of a refused body is read and dropped: twice what a body may have."""

HEAD_TOO_LARGE = f"the request line and headers have more than {HEAD_BYTES_MAX} bytes"
HEAD_TOO_SLOW = f"the headers were not complete within {HEAD_S:.0f} seconds"
BODY_TOO_SLOW = (
    f"the body stood still: {BODY_BYTES_A_LOOK} bytes in {BODY_LOOK_S:.0f} seconds are the least"
)
BODY_TOO_LATE = f"the body was not complete within {BODY_S:.0f} seconds"
NOT_HTTP = "this is no HTTP/1.1 request"


class Refusal(Exception):  # noqa: N818 - an answer, raised to leave the parser
    """What a request is answered before it is served, on a connection that closes then."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Part(enum.Enum):
    """What comes next on a connection."""

    FIRST = "the first request of all"
    NOTHING = "nothing before the answer is out, then perhaps another request"
    HEAD = "the rest of a request line and headers"
    BODY = "the rest of a body"


class LimitedProtocol(ConnectionProtocol):
    """uvicorn's HTTP/1.1 with an end to what a request may cost before it is served.

    A request of one piece, as nearly all are, costs a few comparisons; what comes in pieces is
    watched by one timer a connection.
    """

    __slots__ = (
        *("_begun", "_body_bytes", "_bytes_at_look", "_dropped_bytes", "_has_grown", "_head_bytes"),
        *("_idle_bytes", "_is_bare", "_is_resuming", "_part", "_since", "_timer", "_was_paused"),
    )

    dropped_bytes_max = DROPPED_BYTES_MAX
    open_files = OpenFiles()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._part = Part.FIRST
        self._since = self.loop.time()
        self._head_bytes = self._body_bytes = self._bytes_at_look = self._dropped_bytes = 0
        self._idle_bytes = 0  # received since the head began, or since the body last grew
        self._begun = 0  # messages that began with the piece at hand
        self._has_grown = False  # the body, by the piece at hand
        self._was_paused = False
        self._is_resuming = False
        self._is_bare = False  # of its parser
        self._timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.open_files.has_room(transport.get_extra_info("socket").fileno()):
            self._look_in(HEAD_S)
        else:
            transport.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_lingering:
            self._body_bytes += len(data)
            self._count_dropped(len(data))
            return
        was_between = self._part in (Part.FIRST, Part.NOTHING)
        self._begun = 0
        self._has_grown = False
        if self._is_bare:
            self._set_parser()
        try:
            self.parser.feed_data(data)
            if self._part in (Part.HEAD, Part.BODY):
                is_all_of_it = self._begun <= was_between and not self._has_grown
                self._watch(len(data) if is_all_of_it else 0)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refusal) else Refusal(400, NOT_HTTP))
        except Refusal as refusal:
            self._refuse(refusal)

    @override
    def on_message_begin(self) -> None:
        if self._is_resuming:
            return
        self._unset_keepalive_if_required()
        self._begun += 1
        self._head_bytes = self._dropped_bytes = 0
        self._enter(Part.HEAD)
        super().on_message_begin()

    @override
    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        super().on_url(url)

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a body is none, whatever it is called (RFC 9110, 6.5.1)."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > HEAD_BYTES_MAX:
            raise Refusal(431, HEAD_TOO_LARGE)
        if self._part is Part.HEAD:
            super().on_header(name, value)

    def _take_host_of_target(self) -> None:
        """Take the host out of a target that has one; what Host says counts no more then.

        Source: RFC 9112, 3.2.2.
        """
        target = httptools.parse_url(self.url)
        if target.host:
            host = b"[%b]" % target.host if b":" in target.host else target.host
            host = b"%b:%d" % (host, target.port) if target.port else host
            self.headers[:] = [pair for pair in self.headers if pair[0] != b"host"]
            self.headers.append((b"host", host))

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1 with a request that asks for another protocol (RFC 9110, 7.8).

        The parser takes what follows the headers for that protocol's. So another one is led to the
        same place. Java's client asks for HTTP/2 so with each first request, its body behind it.
        """
        framing = [
            b"%b: %b\r\n" % pair
            for pair in self.headers
            if pair[0] in (b"content-length", b"transfer-encoding")
        ]
        self._set_parser()
        self._is_resuming = True
        self.parser.feed_data(b"".join([b"POST / HTTP/1.1\r\n", *framing, b"\r\n"]))
        self._is_resuming = False
        if rest:
            self.data_received(rest)

    def _set_parser(self) -> None:
        self._is_bare = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    @override
    def begin_rest(self) -> None:
        """Drop timer and parser too: between two messages a new one is as good."""
        super().begin_rest()
        if self._part is not Part.NOTHING or self.pipeline or self.transport.is_lingering:
            return
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._is_bare = True
        del self.parser

    @override
    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= PIPELINED_MAX:
            raise Refusal(429, f"more than {PIPELINED_MAX} requests wait for their answers")
        if self._head_bytes > HEAD_BYTES_MAX:
            raise Refusal(431, HEAD_TOO_LARGE)
        if self._is_resuming:
            return
        if why := unread_coding(self.headers):
            raise Refusal(501, why)
        if not self.url.startswith(b"/"):
            self._take_host_of_target()
        super().on_headers_complete()
        self._enter(Part.BODY)

    @override
    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._idle_bytes, self._has_grown = 0, True
        if self.cycle.response_complete:
            self._count_dropped(len(body))
        else:
            super().on_body(body)
            self._was_paused |= self.flow.read_paused

    @override
    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._part = Part.NOTHING
        super().on_message_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._await_next()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._part is Part.BODY:
            self._unset_keepalive_if_required()

    @override
    def shutdown(self) -> None:
        if self._is_answered():
            self.transport.end()
        else:
            super().shutdown()

    @override
    def must_linger(self) -> bool:
        return self._part in (Part.HEAD, Part.BODY) or not self.cycle.keep_alive

    @override
    def linger(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._enter(Part.NOTHING)
        self._since = self.loop.time()
        self._look_in(LINGER_S)

    def _await_next(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _enter(self, part: Part) -> None:
        self._part = part
        self._since = 0.0
        self._body_bytes = self._bytes_at_look = self._idle_bytes = 0

    def _count_dropped(self, size: int) -> None:
        self._dropped_bytes += size
        if self._dropped_bytes > self.dropped_bytes_max:
            self.transport.abort()

    def _watch(self, size: int) -> None:
        """Bound what brings nothing: a header or trailer that does not end, a chunk's extension."""
        self._since = self._since or self.loop.time()
        self._idle_bytes += size
        if self._idle_bytes > HEAD_BYTES_MAX:
            raise Refusal(431, HEAD_TOO_LARGE)
        if self._timer is None:
            self._look_in(HEAD_S)

    def _look_in(self, delay_s: float) -> None:
        self._timer = self.loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        self._timer = None
        waited_s = self.loop.time() - self._since
        if self.transport.is_lingering:
            self._look_at_rest(waited_s)
        elif self._part is Part.FIRST:
            self.transport.end()
        elif self._part is Part.HEAD:
            self._look_at_head(waited_s)
        elif self._part is Part.BODY:
            self._look_at_body(waited_s)

    def _look_at_head(self, waited_s: float) -> None:
        if waited_s < HEAD_S:
            self._look_in(HEAD_S - waited_s)
        else:
            self._refuse(Refusal(408, HEAD_TOO_SLOW))

    def _look_at_body(self, waited_s: float) -> None:
        brought = self._body_bytes - self._bytes_at_look
        self._bytes_at_look = self._body_bytes
        was_paused, self._was_paused = self._was_paused, self.flow.read_paused
        if waited_s >= BODY_S:
            self._refuse(Refusal(408, BODY_TOO_LATE))
        elif waited_s >= BODY_LOOK_S and brought < BODY_BYTES_A_LOOK and not was_paused:
            self._refuse(Refusal(408, BODY_TOO_SLOW))
        else:
            self._look_in(BODY_LOOK_S)

    def _look_at_rest(self, waited_s: float) -> None:
        if self._body_bytes == self._bytes_at_look or waited_s >= BODY_S:
            self.transport.end()
        else:
            self._bytes_at_look = self._body_bytes
            self._look_in(LINGER_S)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in place of the app, unless another answer is on its way, and close."""
        logger.info("http.refused", extra={"status": refusal.status, "reason": refusal.detail})
        may_answer = self._may_answer()
        if not self._is_answered():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not may_answer:
            self.transport.abort()
            return
        count_refusal(refusal.status)
        answer = problem(refusal.status, refusal.detail, {"connection": "close"})
        headers = [*self.server_state.default_headers, *answer.raw_headers]
        head = [STATUS_LINE[refusal.status], *(b"%s: %s\r\n" % pair for pair in headers)]
        self.transport.write(b"".join([*head, b"\r\n", answer.body]))
        self.transport.close()

    def _may_answer(self) -> bool:
        if self.pipeline:
            return False
        if self._part is Part.BODY:
            return not self.cycle.response_started
        return self._is_answered()

    def _is_answered(self) -> bool:
        newest = cast("RequestResponseCycle | None", self.cycle)  # None before the first one
        return newest is None or newest.response_complete
