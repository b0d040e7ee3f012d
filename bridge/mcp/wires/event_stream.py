"""Server-sent events, flush-safe: one write an event, comments meanwhile, closed by us."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from types import MappingProxyType

from sse_starlette.event import ServerSentEvent
from starlette.types import Message, Receive, Scope, Send

from bridge.meters import KEEPALIVES
from bridge.net.connection import Connection, connection_of
from bridge.net.draining import NO_TOKEN, OpenStreams, Token

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
KEEPALIVE = b": keepalive\n\n"
FAREWELL_S = 1.0
"""How long a stream may take for its last words when the process drains."""

Source = AsyncGenerator[bytes, None]


class Last(bytes):
    """The chunk that its response ends with: both go out in one write.

    A client that leaves as soon as it has its answer would else leave the end unread, and closing
    then would be a reset.
    """


def event(
    data: str,
    *,
    name: str | None = "message",
    event_id: str | None = None,
    retry_ms: int | None = None,
) -> bytes:
    """Format one event."""
    return ServerSentEvent(data, event=name, id=event_id, retry=retry_ms, sep="\n").encode()


def keepalive() -> bytes:
    """Return a sign of life, which is counted."""
    KEEPALIVES.inc()
    return KEEPALIVE


class EventStream:
    """An HTTP response that sends what its source yields, to its end or till the client leaves.

    The source yields whole events, each sent in one write. Leaving closes the source, and so does
    draining; a client that reads no more has left once the server has cut its connection.

    Args:
        source: what is sent.
        streams: those of this process.
        headers: beside those of every event stream.
        farewell: the last words of a stream that ends because this process drains.
        ends_within_s: the source ends by itself so soon when the process drains, and says how.
        token: what let the client in; the stream ends when it is revoked.
    """

    __slots__ = (
        *("_connection", "_ends_within_s", "_farewell", "_headers", "_is_ended", "_life"),
        *("_source", "_streams", "_token"),
    )

    def __init__(
        self,
        source: Source,
        streams: OpenStreams,
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        farewell: bytes = b"",
        ends_within_s: float = 0,
        token: Token = NO_TOKEN,
    ) -> None:
        self._source = source
        self._streams = streams
        self._headers = headers
        self._farewell = farewell
        self._ends_within_s = ends_within_s
        self._token = token
        self._connection: Connection | None = None
        self._life: asyncio.Timeout = asyncio.timeout(None)
        self._is_ended = False

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the head; the connection has the rest sent, once the request's handlers are done."""
        headers = [*HEADERS, *((k.lower().encode(), v.encode()) for k, v in self._headers.items())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self._connection = connection_of(scope)
        if self._connection is None:
            await self._send_rest(send)
        else:
            self._connection.rest = self._send_rest

    async def _send_rest(self, send: Send) -> None:
        failure: Exception | None = None
        held = self._streams.holding(self._drain, self._end, self._token, self._connection)
        try:
            async with self._life:
                with held:
                    async for chunk in self._source:
                        await send(_part(chunk, is_last=isinstance(chunk, Last)))
                        self._is_ended = isinstance(chunk, Last)
        except Exception as error:  # noqa: BLE001  a response ends in good order, whatever fails
            if not (isinstance(error, TimeoutError) and self._life.expired()):
                failure = error
        finally:
            await self._source.aclose()
        await self._finish(send)
        if failure:
            raise failure

    async def _finish(self, send: Send) -> None:
        is_draining = self._streams.draining.is_set()
        if is_draining and self._connection:
            loop = asyncio.get_running_loop()
            loop.call_later(FAREWELL_S, self._connection.cut_unless_taken)
        if not self._is_ended:
            last = self._farewell if is_draining and self._life.expired() else b""
            with contextlib.suppress(OSError):
                await send(_part(last, is_last=True))

    def _drain(self) -> None:
        self._end(self._ends_within_s)

    def _end(self, within_s: float = 0) -> None:
        """End it soon, or sooner; once its last chunk is out it ends by itself."""
        ends_at = asyncio.get_running_loop().time() + within_s
        planned_at = self._life.when()
        if not self._is_ended and (planned_at is None or ends_at < planned_at):
            self._life.reschedule(ends_at)


def _part(chunk: bytes, *, is_last: bool) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": not is_last}
