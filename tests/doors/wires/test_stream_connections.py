"""What else comes on a connection whose stream is open, and what comes when it has ended."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from bridge.mcp.wires.event_stream import EventStream, event
from bridge.net import request_limits
from bridge.net.draining import OpenStreams
from tests.serving import serving_any
from tests.waiting import wait_until

STREAM = b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
OTHER = b"POST /other HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"
LAST = OTHER.replace(b"/other", b"/last").replace(b"Host:", b"Connection: close\r\nHost:")
PATIENCE_S = 20


class Streaming:
    """Serves one stream, which says its first word and lasts until it is told to end."""

    def __init__(self) -> None:
        self.streams = OpenStreams(10)
        self.is_over = asyncio.Event()
        self.served: list[tuple[str, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/stream":
            await EventStream(self._events(), self.streams)(scope, receive, send)
            return
        body = (await receive())["body"]
        self.served.append((scope["path"], body))
        headers = [(b"content-length", b"6")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"served"})

    async def _events(self) -> AsyncGenerator[bytes, None]:
        yield event("first")
        await self.is_over.wait()
        yield event("last")


class Client:
    """One connection, by which a test sends bytes and reads what comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def read_to(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.readuntil(end)

    async def read_rest(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read()

    async def is_cut(self) -> bool:
        """Wait for the end of the connection; report whether the stream had none of its own."""
        with contextlib.suppress(ConnectionResetError):
            return await self.read_rest() == b""
        return True

    def close(self) -> None:
        self._writer.transport.abort()


@pytest.fixture
def app() -> Streaming:
    return Streaming()


@pytest.fixture
async def client(app: Streaming) -> AsyncIterator[Client]:
    async with serving_any(app, app.streams.close) as address:
        client = Client(*await asyncio.open_connection("127.0.0.1", httpx2.URL(address).port))
        yield client
        client.close()


async def begin(client: Client, sent: bytes = STREAM) -> None:
    """Open the stream, and see that the connection has taken it over from its handlers."""
    client.send(sent)
    assert b"text/event-stream" in await client.read_to(b"data: first\n\n\r\n")


async def end(client: Client, app: Streaming) -> None:
    app.is_over.set()
    assert b"data: last" in await client.read_to(b"0\r\n\r\n")


async def test_a_request_sent_while_a_stream_is_open_is_answered_when_it_has_ended(
    app: Streaming, client: Client
) -> None:
    await begin(client)
    client.send(OTHER + LAST)
    await end(client, app)
    assert (await client.read_rest()).count(b"served") == 2
    assert app.served == [("/other", b"body"), ("/last", b"body")]


async def test_a_request_in_pieces_is_read_whole_though_its_stream_ends_in_between(
    app: Streaming, client: Client
) -> None:
    await begin(client)
    client.send(LAST[:20])
    await end(client, app)
    client.send(LAST[20:-2])
    client.send(LAST[-2:])
    assert (await client.read_rest()).endswith(b"served")
    assert app.served == [("/last", b"body")]


async def test_requests_in_one_piece_with_that_for_a_stream_wait_for_its_end(
    app: Streaming, client: Client
) -> None:
    await begin(client, STREAM + OTHER + LAST)
    assert not app.served
    await end(client, app)
    assert (await client.read_rest()).count(b"served") == 2
    assert app.served == [("/other", b"body"), ("/last", b"body")]


async def test_a_connection_whose_stream_has_ended_serves_further_requests_and_streams(
    app: Streaming, client: Client
) -> None:
    await begin(client)
    await end(client, app)
    client.send(OTHER)
    assert b"200 OK" in await client.read_to(b"served")
    app.is_over.clear()
    await begin(client)
    await end(client, app)
    client.send(LAST)
    assert (await client.read_rest()).endswith(b"served")


@pytest.mark.parametrize("garbage", [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\nX Y\x00\r\n\r\n"])
async def test_what_is_no_http_ends_the_stream_that_its_connection_carries(
    app: Streaming, client: Client, garbage: bytes
) -> None:
    await begin(client)
    client.send(garbage)
    assert await client.is_cut()
    await wait_until(lambda: not len(app.streams), "the stream is closed")


async def test_what_is_no_http_is_refused_when_the_stream_has_ended(
    app: Streaming, client: Client
) -> None:
    await begin(client)
    await end(client, app)
    client.send(b"\x00\x01\x02\r\n\r\n")
    assert (await client.read_rest()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_request_that_does_not_go_on_has_an_end_beside_a_stream_and_after_it(
    app: Streaming, client: Client, monkeypatch: pytest.MonkeyPatch, *, is_open: bool
) -> None:
    monkeypatch.setattr(request_limits, "HEAD_S", 1)
    await begin(client)
    if not is_open:
        await end(client, app)
    client.send(OTHER[:20])
    if is_open:
        assert await client.is_cut()
    else:
        assert (await client.read_rest()).startswith(b"HTTP/1.1 408 ")
    await wait_until(lambda: not len(app.streams), "the stream is closed")


async def test_requests_ahead_of_a_streams_end_are_bounded(app: Streaming, client: Client) -> None:
    await begin(client)
    client.send(OTHER * (request_limits.PIPELINED_MAX + 1))
    assert await client.is_cut()
    assert not app.served


async def test_draining_lets_the_request_behind_a_stream_be_answered(
    app: Streaming, client: Client
) -> None:
    await begin(client)
    client.send(LAST)
    app.streams.close()
    assert (await client.read_rest()).endswith(b"served")
