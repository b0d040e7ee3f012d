"""A client's reading end of the pipe: what one read gives is dealt with before the next.

So a client that is killed between two reads has dealt with all that it took out of the pipe, and
with nothing of what was left in it.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

Take = Callable[[dict[str, Any]], None]


class Reader:
    """Reads frames until the end, or until it is closed, and counts what it sees."""

    def __init__(
        self, fd: int, chunk_bytes: Callable[[], int], take: Take, dealt: Callable[[], None]
    ) -> None:
        os.set_blocking(fd, False)
        self.ended = asyncio.Event()
        self.frames = 0
        self.read_bytes = 0
        self.rest = b""
        self.broken: list[str] = []
        self.is_at_end = False
        self.is_closed = False
        self._fd = fd
        self._chunk_bytes = chunk_bytes
        self._take = take
        self._dealt = dealt
        asyncio.get_running_loop().add_reader(fd, self._read)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._fd, self._chunk_bytes())
            self.read_bytes += len(chunk)
            *lines, self.rest = (self.rest + chunk).split(b"\n")
            for line in lines:
                self._take_line(line)
            self._dealt()
            if not chunk:
                self.is_at_end = True
                self.close()

    def _take_line(self, line: bytes) -> None:
        try:
            frame = json.loads(line)
        except ValueError:
            frame = None
        if not isinstance(frame, dict) or frame.get("jsonrpc") != "2.0":
            self.broken.append(repr(line[:200]))
            return
        self.frames += 1
        self._take(frame)

    def close(self) -> None:
        """Let go of the pipe, whatever is in it."""
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self.ended.set()
