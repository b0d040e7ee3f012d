"""A TCP proxy that breaks connections when told to, as a bad network does."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Sequence

CHUNK_BYTES = 65536
NO_GOODBYE = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: closing sends a reset."""


class DroppingProxy:
    """Brings each connection to the first of its ports that takes one, until it drops them all."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = ports
        self.is_down = False
        self.url = ""
        self._open: set[asyncio.StreamWriter] = set()

    def drop(self) -> int:
        """Reset every open connection on both sides; give how many there were."""
        writers, self._open = self._open, set()
        for writer in writers:
            _reset(writer)
        return len(writers) // 2

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection both ways until either side ends it."""
        target = None if self.is_down else await self._connect()
        if target is None:
            _reset(writer)
            return
        from_target, to_target = target
        pair = {writer, to_target}
        self._open |= pair
        try:
            await asyncio.gather(_carry(reader, to_target), _carry(from_target, writer))
        finally:
            self._open -= pair

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self.ports:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None


@contextlib.asynccontextmanager
async def dropping_proxy(*ports: int) -> AsyncIterator[DroppingProxy]:
    """Serve a proxy on a free loopback port; the first of `ports` that listens gets a connection.

    While it `is_down`, every new connection is reset.
    """
    proxy = DroppingProxy(ports)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.is_down = True
        proxy.drop()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    opened = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_GOODBYE)
    writer.transport.abort()
