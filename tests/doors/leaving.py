"""A client on a socket of its own, so that it leaves exactly as a test wants it to."""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.doors.by_hand import ALICE, Message, Modern, authorization, open_session
from tests.proxy import RESET

WIRES = ("2026", "2025", "sse")
SMALL_BYTES = 4096
PATIENCE_S = 20.0


@dataclass
class Leaver:
    """One connection; what was read of it so far is `heard`."""

    connection: socket.socket
    heard: bytes = b""

    async def send(self, request: httpx2.Request) -> None:
        """Send a request."""
        head = "".join(f"{name}: {text}\r\n" for name, text in request.headers.items())
        line = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n"
        content = f"{line}{head}\r\n".encode() + request.content
        await asyncio.get_running_loop().sock_sendall(self.connection, content)

    async def read_until(self, pattern: bytes) -> re.Match[bytes]:
        """Read until something has come; give it."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := re.search(pattern, self.heard, re.DOTALL)):
                loop = asyncio.get_running_loop()
                chunk = await loop.sock_recv(self.connection, 1 << 16)
                assert chunk, self.heard
                self.heard += chunk
        return found

    async def result(self) -> dict[str, Any]:
        """Read to the end of the answer to a call; returns its structure."""
        found = await self.read_until(rb'(\{"jsonrpc":"2\.0","id":7,.*?\})(?:\r?\n|$)')
        result: dict[str, Any] = json.loads(found[1])["result"]
        return result

    def leave(self, how: str) -> None:
        """Close in good order, by a `reset`, or with an end of what is sent while all is unread."""
        if how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if how == "unread":
            self.connection.shutdown(socket.SHUT_WR)
        else:
            self.connection.close()


@contextlib.asynccontextmanager
async def connecting(origin: str, *, reads_little: bool = False) -> AsyncIterator[Leaver]:
    """Connect; the connection ends with the block at the latest."""
    with socket.socket() as connection:
        if reads_little:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        connection.setblocking(False)
        parts = urlsplit(origin)
        address = (parts.hostname, parts.port)
        await asyncio.get_running_loop().sock_connect(connection, address)
        yield Leaver(connection)


async def ask(
    leaver: Leaver, http: httpx2.AsyncClient, url: str, wire: str, message: Message, **more: str
) -> None:
    """Make a call, with the id 7, whose answer comes on the leaver's connection."""
    if wire == "sse":
        headers = authorization(ALICE) | more
        address = await open_stream(leaver, http, url.replace("/mcp/", "/sse/"), **more)
        assert (await http.post(address, json=message, headers=headers)).status_code == 202
        return
    if wire == "2026":
        modern = Modern(http, url)
        headers, message = modern.headers(message) | more, modern.enveloped(message)
    else:
        session = await open_session(http, url)
        headers = session.headers | more
    await leaver.send(http.build_request("POST", url, json=message, headers=headers))


async def open_stream(leaver: Leaver, http: httpx2.AsyncClient, url: str, **more: str) -> str:
    """Open a stream of HTTP+SSE on the leaver's connection; returns where messages go."""
    await leaver.send(http.build_request("GET", url, headers=authorization(ALICE) | more))
    found = await leaver.read_until(rb"data: (/sse/\S+)")
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{found[1].decode()}"
