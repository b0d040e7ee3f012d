"""Server-sent events, flush-safe: one write an event, comments meanwhile, closed by us."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator

from sse_starlette.event import ServerSentEvent
from starlette.types import Receive, Scope, Send

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
KEEPALIVE = b": keepalive\n\n"

Source = AsyncGenerator[bytes, None]


def event(
    data: str,
    *,
    name: str | None = "message",
    event_id: str | None = None,
    retry_ms: int | None = None,
) -> bytes:
    """Spell one event."""
    return ServerSentEvent(data, event=name, id=event_id, retry=retry_ms, sep="\n").encode()


class OpenStreams:
    """The streams that this process holds open, so that it can end them when it drains."""

    def __init__(self) -> None:
        self._open: set[Callable[[], object]] = set()
        self.is_draining = False

    @contextlib.contextmanager
    def holding(self, close: Callable[[], object]) -> Iterator[None]:
        """Have `close` called when the process drains while the block lasts."""
        self._open.add(close)
        if self.is_draining:
            close()
        try:
            yield
        finally:
            self._open.discard(close)

    def close(self) -> None:
        """End every open stream."""
        self.is_draining = True
        for close in tuple(self._open):
            close()

    def __len__(self) -> int:
        return len(self._open)


class EventStream:
    """An HTTP response that sends what its source yields, to its end or till the client leaves.

    The source yields whole events, each sent in one write. Leaving closes the source, and so does
    draining, unless no `streams` are given: then the source must see to its end itself.
    """

    def __init__(
        self, source: Source, streams: OpenStreams | None, headers: dict[str, str] | None = None
    ) -> None:
        self._source = source
        self._holding = contextlib.nullcontext if streams is None else streams.holding
        self._headers = [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": [*HEADERS, *self._headers]}
        )
        pump = asyncio.ensure_future(self._pump(send))
        watch = asyncio.ensure_future(_until_gone(receive))
        with self._holding(watch.cancel):
            try:
                await asyncio.wait({pump, watch}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                pump.cancel()
                watch.cancel()
                await asyncio.gather(pump, watch, return_exceptions=True)
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        if pump.done() and not pump.cancelled() and (error := pump.exception()):
            raise error

    async def _pump(self, send: Send) -> None:
        async with contextlib.aclosing(self._source) as source:
            async for chunk in source:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
