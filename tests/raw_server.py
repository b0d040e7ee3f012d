"""A server that shows the bytes it got and answers the bytes it was told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class RawServer:
    """Requests seen, as bytes, and the number of connections they came on.

    An answer of None leaves a request unanswered; with `closes` the connection ends behind it.
    While `gate` is clear, answers wait.
    """

    answer: bytes | None = OK
    closes: bool = False
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    carried: list[int] = field(default_factory=list)
    """How many requests came on each connection that is closed by now."""

    closed: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        """Return its base address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def target(self) -> bytes:
        """Return the newest request's target."""
        return self.requests[-1].split(b" ", 2)[1]

    @property
    def headers(self) -> dict[str, str]:
        """Return the newest request's headers, names in lower case."""
        lines = self.requests[-1].partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(": ") for line in lines)
        return {name.lower(): value for name, _, value in pairs}

    @property
    def body(self) -> bytes:
        """Return the newest request's body."""
        return self.requests[-1].partition(b"\r\n\r\n")[2]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        serving = asyncio.current_task()
        assert serving
        self._open[serving] = writer
        serving.add_done_callback(self._open.pop)
        self.connections += 1
        count = 0
        try:
            while True:
                self.requests.append(await _request(reader))
                count += 1
                if self.answer is None:
                    await reader.read()
                    return
                await self.gate.wait()
                writer.write(self.answer)
                await writer.drain()
                if self.closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.closed.set()
            self.carried.append(count)
            writer.close()

    async def end(self) -> None:
        """Break the connections that are still open."""
        self.gate.set()
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)


@asynccontextmanager
async def raw_server(
    answer: bytes | None = OK, *, closes: bool = False
) -> AsyncIterator[RawServer]:
    """Serve on a free loopback port."""
    server = RawServer(answer, closes)
    async with listening(server, "127.0.0.1"):
        yield server


@asynccontextmanager
async def listening(server: RawServer, host: str | None) -> AsyncIterator[None]:
    """Listen on an address, or on all; in the end break what connections clients keep.

    A listener's own `async with` waits for them, from Python 3.12 on.
    """
    listener = await asyncio.start_server(server.take, host, server.port)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        listener.close()
        await server.end()
