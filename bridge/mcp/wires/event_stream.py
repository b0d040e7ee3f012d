"""Server-sent events, flush-safe: one write an event, comments meanwhile, closed by us."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping

from sse_starlette.event import ServerSentEvent
from starlette.types import Receive, Scope, Send

from bridge.net.connection import connection_of
from bridge.net.draining import OpenStreams, Token

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
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

    def __init__(
        self,
        source: Source,
        streams: OpenStreams,
        headers: Mapping[str, str] | None = None,
        *,
        farewell: bytes = b"",
        ends_within_s: float = 0,
        token: Token = ("", ""),
    ) -> None:
        self._source = source
        self._streams = streams
        self._headers = [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()]
        self._farewell = farewell
        self._ends_within_s = ends_within_s
        self._token = token
        self._is_ending = self._is_ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        headers = [*HEADERS, *self._headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        pump = asyncio.ensure_future(self._pump(send))
        watch = asyncio.ensure_future(_until_gone(receive))
        holding = self._streams.holding(lambda: self._end_soon(watch))
        with holding, self._streams.let_in_by(self._token, watch.cancel):
            try:
                await asyncio.wait({pump, watch}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                is_ending = self._is_ending and watch.done() and not watch.cancelled()
                is_cut_short = not pump.done() and not is_ending
                if is_cut_short:
                    pump.cancel()
                watch.cancel()
                await asyncio.gather(pump, watch, return_exceptions=True)
        is_draining = self._streams.draining.is_set()
        if is_draining and (connection := connection_of(scope)):
            asyncio.get_running_loop().call_later(FAREWELL_S, connection.cut_unless_taken)
        last = self._farewell if is_draining and is_cut_short else b""
        if not self._is_ended:
            with contextlib.suppress(OSError):
                await send({"type": "http.response.body", "body": last, "more_body": False})
        if not pump.cancelled() and (error := pump.exception()):
            raise error

    def _end_soon(self, watch: "asyncio.Future[None]") -> None:
        if self._ends_within_s:
            asyncio.get_running_loop().call_later(self._ends_within_s, watch.cancel)
        else:
            watch.cancel()

    async def _pump(self, send: Send) -> None:
        async with contextlib.aclosing(self._source) as source:
            async for chunk in source:
                self._is_ending = isinstance(chunk, Last)
                part = {"type": "http.response.body", "body": chunk}
                await send({**part, "more_body": not self._is_ending})
                self._is_ended = self._is_ending


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
