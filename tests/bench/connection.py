"""One keep-alive connection, as thin as it can be: the load must cost less than what it loads."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

import httptools
from typing_extensions import override

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """Asks one thing after the other over one connection."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._answered: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a port of this machine."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, HOST, port)
        return connection

    async def ask(self, request: bytes) -> Answer:
        """Send a request, spelled out, and wait for all of its answer."""
        assert self._transport
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        """Hang up."""
        assert self._transport
        self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, though they do all the same.
        self._transport = cast(asyncio.Transport, transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("hung up before the answer"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header from the parser."""
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, part: bytes) -> None:
        """Take a part of a body from the parser."""
        self._body += part

    def on_message_complete(self) -> None:
        """Hand an answer over; the parser has seen its end."""
        assert self._answered
        answer = Answer(self._parser.get_status_code(), self._headers, bytes(self._body))
        self._answered.set_result(answer)
        self._headers = {}
        self._body.clear()


def spell(method: str, target: str, headers: Mapping[str, str], value: object = None) -> bytes:
    """Format a request, with `value` as its JSON body if there is one."""
    body = b"" if value is None else json.dumps(value).encode()
    sent = {"host": HOST, **headers}
    if body:
        sent |= {"content-type": "application/json", "content-length": str(len(body))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in sent.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
