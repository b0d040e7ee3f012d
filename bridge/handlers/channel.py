"""The messages between a worker and a process of handlers.

A message is a line of JSON, its head; a head with `bytes` is followed by a body of so many. Worker
and process have a pair of sockets for it alone, so nothing that is printed can be taken for one.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

from bridge.formats.json_text import encode

HEAD_BYTES_MAX = 1024 * 1024
BODY_BYTES_MAX = 64 * 1024 * 1024

Head = dict[str, Any]


class BrokenChannelError(Exception):
    """What came is no message."""


class HandlerChannel:
    """One end of the pair, within a running event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> "HandlerChannel":
        """Return the channel over one of two connected sockets, which it closes in the end."""
        reader, writer = await asyncio.open_connection(sock=end, limit=HEAD_BYTES_MAX)
        writer.transport.set_write_buffer_limits(high=0)
        return cls(reader, writer)

    def write(self, head: Head, body: bytes | None = None) -> None:
        """Send a message as soon as the other end takes it; nothing to one that has left."""
        if self._writer.is_closing():
            return
        sized = head if body is None else {**head, "bytes": len(body)}
        self._writer.write(encode(sized, compact=True) + b"\n")
        if body:
            self._writer.write(body)

    async def send(self, head: Head, body: bytes | None = None) -> None:
        """Send a message, and wait until the other end has it, and all before it."""
        self.write(head, body)
        await self.flush()

    async def flush(self) -> None:
        """Wait until the other end has all that was sent."""
        await self._writer.drain()

    async def messages(self) -> AsyncIterator[tuple[Head, bytes]]:
        """Return what comes, until the other end is closed.

        Raises:
            BrokenChannelError: something that is no message.
        """
        try:
            while line := await self._reader.readline():
                head = json.loads(line)
                size_bytes = head.get("bytes", 0)
                if not 0 <= size_bytes <= BODY_BYTES_MAX:
                    raise BrokenChannelError("a body is too long")
                yield head, await self._reader.readexactly(size_bytes)
        except (ValueError, TypeError, AttributeError) as error:
            raise BrokenChannelError("a line is no message") from error
        except (ConnectionError, asyncio.IncompleteReadError):
            return

    def close(self) -> None:
        """Close this end when the other has all that was sent."""
        self._writer.close()

    def abort(self) -> None:
        """Close this end at once."""
        self._writer.transport.abort()
