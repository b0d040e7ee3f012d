"""Event streams at the ASGI border: what is written when, and who ends them."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from bridge.mcp.wires import event_stream
from bridge.mcp.wires.event_stream import KEEPALIVE, EventStream, event
from bridge.net.connection import CONNECTION, Connection
from bridge.net.draining import OpenStreams


class Peer:
    """The other side of one response: keeps what was sent, and may leave."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.wrote = asyncio.Event()
        self._connection = Connection(asyncio.Transport())

    async def serve(self, stream: EventStream) -> None:
        """Have a response sent as the server does: its head, then the rest of it; then leave."""
        await stream({"type": "http", CONNECTION: self._connection}, _receive, self._send)
        assert self._connection.rest
        await self._connection.rest(self._send)
        self.leave()

    def leave(self) -> None:
        self._connection.is_lost(None)

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.wrote.set()

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:]]


async def _receive() -> Message:
    raise AssertionError("nothing is read of a request that was taken")


class Source:
    """Yields its chunks, then waits until it is closed."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.is_closed = False

    async def read(self) -> AsyncGenerator[bytes, None]:
        try:
            for chunk in self._chunks:
                yield chunk
            await asyncio.Event().wait()
        finally:
            self.is_closed = True


async def told(*chunks: bytes) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


async def test_each_event_is_one_write() -> None:
    peer = Peer()
    chunks = event("first", event_id="s/1"), KEEPALIVE, event("a\nb")
    await peer.serve(EventStream(told(*chunks), OpenStreams(10)))
    assert peer.bodies == [
        b"id: s/1\nevent: message\ndata: first\n\n",
        b": keepalive\n\n",
        b"event: message\ndata: a\ndata: b\n\n",
        b"",
    ]
    assert [message.get("more_body") for message in peer.sent[1:]] == [True, True, True, False]


async def test_the_headers_keep_proxies_from_holding_anything_back() -> None:
    peer = Peer()
    stream = EventStream(told(), OpenStreams(10), {"Mcp-Session-Id": "abc"})
    await peer.serve(stream)
    assert peer.sent[0]["status"] == 200
    assert dict(peer.sent[0]["headers"]) == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-cache, no-transform",
        b"x-accel-buffering": b"no",
        b"mcp-session-id": b"abc",
    }


async def test_a_client_that_leaves_closes_the_source() -> None:
    peer, source, streams = Peer(), Source(b"x"), OpenStreams(10)
    running = asyncio.create_task(peer.serve(EventStream(source.read(), streams)))
    await peer.wrote.wait()
    assert len(streams) == 1
    peer.leave()
    await running
    assert source.is_closed
    assert len(streams) == 0


async def test_draining_ends_a_stream_properly() -> None:
    peer, source, streams = Peer(), Source(b"x"), OpenStreams(10)
    running = asyncio.create_task(peer.serve(EventStream(source.read(), streams)))
    await peer.wrote.wait()
    streams.close()
    await running
    assert source.is_closed
    assert peer.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_stream_opened_while_draining_ends_at_once() -> None:
    peer, source, streams = Peer(), Source(), OpenStreams(10)
    streams.close()
    await peer.serve(EventStream(source.read(), streams))
    assert peer.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_stream_that_sees_to_its_own_end_outlives_the_draining() -> None:
    peer, streams = Peer(), OpenStreams(10)
    streams.close()
    stream = EventStream(told(b"the end"), streams, ends_within_s=0.05)
    await peer.serve(stream)
    assert peer.bodies == [b"the end", b""]


async def test_a_stream_that_sees_to_its_own_end_and_does_not_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "FAREWELL_S", 0.05)
    peer, source, streams = Peer(), Source(b"x"), OpenStreams(10)
    streams.close()
    await peer.serve(EventStream(source.read(), streams, ends_within_s=0.05))
    assert peer.bodies == [b"x", b""]


async def test_draining_says_farewell_unless_the_stream_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "FAREWELL_S", 0.05)
    streams = OpenStreams(10)
    cut_short, ended = Peer(), Peer()
    streams.close()
    for peer, source in ((cut_short, Source().read()), (ended, told(b"the end"))):
        stream = EventStream(source, streams, farewell=b"retry: 1\n\n", ends_within_s=0.05)
        await peer.serve(stream)
    assert cut_short.bodies == [b"retry: 1\n\n"]
    assert ended.bodies == [b"the end", b""]
