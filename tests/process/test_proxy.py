"""The proxy that tests put between clients and the bridge."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bridge.local.ports import free_port
from tests.proxy import proxying

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(100):
                writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def connected(url: str) -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(b"hello")
    return reader, writer


async def test_it_carries_to_a_port_that_accepts_and_resets_when_told_to() -> None:
    async with echo() as port, proxying(free_port(), port) as proxy:
        for _ in range(2):
            reader, writer = await connected(proxy.url)
            assert await reader.readexactly(5) == b"hello"
            proxy.drop()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
