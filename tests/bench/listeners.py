"""Clients that hold streams open as cheaply as can be, and the kinds of streams that there are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import cast

from typing_extensions import override

from tests.bench.connection import HOST, Connection, spell
from tests.bench.stage import CLAUDE
from tests.bench.streams import HELLO
from tests.bench.tool_call import STATELESS_VERSION, framed, spelled

OPENING = 64
"""So many streams are opened at once."""

KEEPALIVE = b": keepalive"
EVENTS = {**CLAUDE, "accept": "text/event-stream"}
HOOK, INBOX = "question", "event://demo/question"


@dataclass(frozen=True)
class Kind:
    """A kind of stream: what opens one on a port, and what its first words hold."""

    opening: Callable[[int], Awaitable[bytes]]
    begins: bytes


async def _sse(_port: int) -> bytes:
    return spell("GET", "/sse/demo", EVENTS)


async def _session(port: int) -> bytes:
    """Begin a session of Streamable HTTP, and ask for its standing stream."""
    accept = {"accept": "application/json, text/event-stream"}
    hello = {**HELLO, "params": {**HELLO["params"], "protocolVersion": STATELESS_VERSION}}
    poster = await Connection.open(port)
    answer = await poster.ask(spell("POST", "/mcp/demo", {**CLAUDE, **accept}, hello))
    poster.close()
    return spell("GET", "/mcp/demo", {**EVENTS, "mcp-session-id": answer.headers["mcp-session-id"]})


async def _listen(_port: int) -> bytes:
    wanted = {"toolsListChanged": True, "resourceSubscriptions": [INBOX]}
    method = "subscriptions/listen"
    return framed("/mcp/demo", method, "", 1, {"notifications": wanted})


async def _events(_port: int) -> bytes:
    return framed("/mcp/demo", "events/stream", "", 1, {"name": HOOK, "arguments": {}})


async def _taker(_port: int) -> bytes:
    return spelled("/mcp/demo", "take_event", 1, {"wait_seconds": 300})


SSE = Kind(_sse, b"event: endpoint")
KINDS: Mapping[str, Kind] = {
    "stream": SSE,
    "stream_of_session": Kind(_session, b"id: "),
    "stream_listen": Kind(_listen, b"subscriptions/acknowledged"),
    "stream_of_events": Kind(_events, b"events/active"),
    "stream_of_taker": Kind(_taker, KEEPALIVE),
}


class Listener(asyncio.Protocol):
    """Holds one stream open, and notes when it was last heard of."""

    __slots__ = (
        *("_begins", "_opening", "address", "began", "ended", "heard_at", "longest_s"),
        "transport",
    )

    def __init__(self, opening: bytes, begins: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._opening = opening
        self._begins = begins
        self.began: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.heard_at = self.longest_s = 0.0
        self.address = ""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._opening)

    @override
    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if self._begins in data and not self.began.done():
            self.address = data.partition(b"data: ")[2].partition(b"\n")[0].strip().decode()
            self.began.set_result(None)
        elif KEEPALIVE in data:
            self.longest_s = max(self.longest_s, now - self.heard_at)
        else:
            return
        self.heard_at = now

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        for waited in (self.began, self.ended):
            if not waited.done():
                waited.set_result(None)


@contextlib.asynccontextmanager
async def streams(port: int, count: int, kind: Kind = SSE) -> AsyncIterator[list[Listener]]:
    """Hold so many streams open."""
    room = asyncio.Semaphore(OPENING)
    loop = asyncio.get_running_loop()

    async def open_one() -> Listener:
        async with room:
            opening = await kind.opening(port)
            listener = Listener(opening, kind.begins)
            await loop.create_connection(lambda: listener, HOST, port)
            await listener.began
            assert not listener.ended.done(), "a stream has not begun"
            return listener

    listeners = await asyncio.gather(*(open_one() for _ in range(count)))
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.transport.abort()
