"""A TCP proxy to whichever of several addresses accepts, as a balancer is; it can make trouble."""

import asyncio
import contextlib
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Sequence

CHUNK_BYTES = 65536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing then sends RST."""

LOOPBACK = "127.0.0.1"

Address = tuple[str, int]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Carries each connection to the next address that accepts one; `url` is its own.

    After `ceiling_s`, if given, a connection ends, whatever flows on it.
    """

    def __init__(self, addresses: Sequence[Address], ceiling_s: float | None = None) -> None:
        self.url = ""
        self._ceiling_s = ceiling_s
        self._addresses = list(addresses)
        self._turns = itertools.count()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._carrying: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._carriers: set[asyncio.Task[None]] = set()

    def lead_to(self, address: Address) -> None:
        """Carry connections elsewhere from now on; those that are open stay."""
        self._addresses = [address]

    def drop(self) -> None:
        """Reset every open connection, on both sides, without a goodbye."""
        for pair in tuple(self._carrying):
            for writer in pair:
                reset(writer)

    def hold(self) -> None:
        """Keep back all that comes, while every connection stays open."""
        self._flowing.clear()

    def let_go(self) -> None:
        """Carry on, with what was kept back first."""
        self._flowing.set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one more connection."""
        carrier = asyncio.create_task(self._carry(reader, writer))
        self._carriers.add(carrier)
        carrier.add_done_callback(self._carriers.discard)

    async def end(self) -> None:
        """Reset all that is open, and carry nothing more."""
        self.drop()
        carriers = tuple(self._carriers)
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await self._connect()
        if found is None:
            reset(writer)
            return
        far_reader, far_writer = found
        self._carrying.add((writer, far_writer))
        ways = [
            asyncio.create_task(self._pump(reader, far_writer)),
            asyncio.create_task(self._pump(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, timeout=self._ceiling_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            ends = await asyncio.gather(*ways, return_exceptions=True)
            self._carrying.discard((writer, far_writer))
            for end in (writer, far_writer):
                reset(end) if any(isinstance(each, OSError) for each in ends) else end.close()

    async def _connect(self) -> Streams | None:
        start = next(self._turns)
        for turn in range(len(self._addresses)):
            address = self._addresses[(start + turn) % len(self._addresses)]
            with contextlib.suppress(OSError):
                return await self.open(address)
        return None

    async def open(self, address: Address) -> Streams:
        """Connect to where an address leads."""
        return await asyncio.open_connection(*address)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._flowing.wait()
            writer.write(chunk)
            await writer.drain()

    @property
    def is_idle(self) -> bool:
        """Report whether no connection is open."""
        return not self._carrying


@contextlib.asynccontextmanager
async def proxying(*ports: int, ceiling_s: float | None = None) -> AsyncIterator[Proxy]:
    """Run a proxy to ports of loopback; what is still open in the end is reset."""
    proxy = Proxy([(LOOPBACK, port) for port in ports], ceiling_s)
    async with accepting(proxy):
        yield proxy


@contextlib.asynccontextmanager
async def accepting(proxy: Proxy) -> AsyncIterator[None]:
    """Run a proxy on a port of its own; what is still open in the end is reset."""
    server = await asyncio.start_server(proxy.accept, LOOPBACK, 0)
    proxy.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    try:
        yield
    finally:
        server.close()
        await proxy.end()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() != -1:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
