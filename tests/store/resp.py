"""A Redis at the level of its replies, for versions that no machine has any more."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Reply = Callable[[list[str]], bytes]


@asynccontextmanager
async def replying(reply: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Answer each command with what `reply` gives for its words; yield the address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                words = [await _word(reader) for _ in range(await _number(reader, b"*"))]
                writer.write(reply(words))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


def bulk(*texts: str) -> bytes:
    """Format a list of texts (RESP2, arrays of bulk strings)."""
    return f"*{len(texts)}\r\n".encode() + b"".join(
        f"${len(text)}\r\n{text}\r\n".encode() for text in texts
    )


async def _number(reader: asyncio.StreamReader, kind: bytes) -> int:
    line = await reader.readuntil(b"\r\n")
    if line[:1] != kind:
        raise ValueError(line)
    return int(line[1:])


async def _word(reader: asyncio.StreamReader) -> str:
    size = await _number(reader, b"$")
    return (await reader.readexactly(size + 2))[:-2].decode()
