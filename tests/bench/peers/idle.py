"""Two plain servers of idle event streams, one heartbeat for all: raw ASGI, and Starlette's own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

KEEPALIVE, KEEPALIVE_S = b": keepalive\n\n", 15
ENDPOINT = b"event: endpoint\ndata: /messages\n\n"
TYPE = [(b"content-type", b"text/event-stream")]


class Bare:
    """Writes each stream's beginning by hand, and then to all of them by the clock."""

    def __init__(self) -> None:
        self._sends: set[Send] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a stream open until its client leaves."""
        if scope["type"] == "lifespan":
            await self._beat(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": TYPE})
        await send({"type": "http.response.body", "body": ENDPOINT, "more_body": True})
        self._sends.add(send)
        while (await receive())["type"] != "http.disconnect":
            pass
        self._sends.discard(send)

    async def _beat(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        ending = asyncio.ensure_future(receive())
        while not (await asyncio.wait({ending}, timeout=KEEPALIVE_S))[0]:
            for each in list(self._sends):
                await each({"type": "http.response.body", "body": KEEPALIVE, "more_body": True})
        await send({"type": "lifespan.shutdown.complete"})


def plain() -> Starlette:
    """Make an app whose streams are generators."""
    beat = asyncio.Condition()

    async def beats() -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            async with beat:
                beat.notify_all()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        beating = asyncio.create_task(beats())
        yield
        beating.cancel()

    async def frames() -> AsyncIterator[bytes]:
        yield ENDPOINT
        while True:
            async with beat:
                await beat.wait()
            yield KEEPALIVE

    async def stream(_request: Request) -> StreamingResponse:
        return StreamingResponse(frames(), media_type="text/event-stream")

    return Starlette(routes=[Route("/sse/demo", stream)], lifespan=lifespan)


if __name__ == "__main__":
    port, kind = sys.argv[1:]
    app: ASGIApp = Bare() if kind == "bare" else plain()
    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)
