"""Standard input and output as lines, whatever is at their other ends: a pipe, a socket, a file.

On purpose, two threads and no asyncio transports: those make what they are given non-blocking for
everybody who shares it, a terminal and a log for instance, and take no file.
"""

import array
import asyncio
import fcntl
import functools
import os
import socket
import stat
import sys
import termios
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from typing_extensions import override

T = TypeVar("T")

READ_BYTES = 1 << 16
LOWEST_FD = 3


@functools.cache
def claim_standard_streams() -> tuple[int, int]:
    """Take stdin and stdout for the wire alone, once; returns their new descriptors.

    From now on a stray `print` goes to stderr, and whoever reads stdin is at its end.
    """
    sys.stdout.flush()
    source, sink = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, LOWEST_FD) for fd in (0, 1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for fd in (source, sink):
        os.set_blocking(fd, True)
    return source, sink


class Blocking(threading.Thread):
    """Does work that blocks, one piece after the other; the process ends without waiting for it."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._waiting: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self.start()

    @override
    def run(self) -> None:
        """Do what is given, for ever."""
        while True:
            work, done = self._waiting.get()
            if not done.set_running_or_notify_cancel():
                continue
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001  it is raised where the work was asked for
                done.set_exception(error)

    async def do(self, work: Callable[[], T]) -> T:
        """Do one piece of work after all that was given before.

        Whoever leaves withdraws it, unless it has begun: then it is done to its end all the same.
        """
        done: Future[T] = Future()
        self._waiting.put((work, done))
        return await asyncio.wrap_future(done)


class LinesIn:
    """The lines that the other side writes."""

    def __init__(self, fd: int, max_bytes: int) -> None:
        self._fd = fd
        self._max_bytes = max_bytes
        self._thread = Blocking("stdin")
        self._is_waiting = False
        self.is_closed_by_peer = False
        """Whether the other side has closed it in good order; a socket may also be reset."""

    async def lines(self) -> AsyncGenerator[bytes | None, None]:
        """Yield each line without its end; None for one that was dropped, for it was too long."""
        kept, is_too_long = bytearray(), False
        while chunk := await self._read():
            *ends, start = chunk.split(b"\n")
            for end in ends:
                kept += end
                yield None if is_too_long or len(kept) > self._max_bytes else bytes(kept)
                kept, is_too_long = bytearray(), False
            kept += start
            if len(kept) > self._max_bytes:
                kept, is_too_long = bytearray(), True
        if kept:
            yield bytes(kept)

    def is_idle(self) -> bool:
        """Report whether all that the other side has written has been dealt with."""
        return self._is_waiting and not _count(self._fd, termios.FIONREAD)

    async def _read(self) -> bytes:
        self._is_waiting = True
        try:
            chunk = await self._thread.do(partial(os.read, self._fd, READ_BYTES))
        except OSError:
            return b""
        else:
            self.is_closed_by_peer = not chunk
            return chunk
        finally:
            self._is_waiting = False


class LinesOut:
    """The lines that the other side reads, each written whole; `is_open` until it is gone."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._thread = Blocking("stdout")
        self.closed = asyncio.Event()
        self.written_bytes = 0
        self._read_bytes = 0
        is_socket = stat.S_ISSOCK(os.fstat(fd).st_mode)
        self._socket = socket.socket(fileno=os.dup(fd)) if is_socket else None
        self._was_reset = False

    @property
    def is_open(self) -> bool:
        """Report whether the other side was still there when something was last written."""
        return not self.closed.is_set()

    async def write(self, line: bytes) -> None:
        """Write a line after those before it; returns when the system has taken all of it.

        Raises:
            OSError: the other side is gone.
        """
        try:
            await self._thread.do(partial(_write_all, self._fd, line + b"\n"))
        except OSError:
            self.closed.set()
            raise
        self.written_bytes += len(line) + 1

    def read_bytes(self) -> int:
        """Return how many of the bytes written the other side has surely read.

        Source: pipe(7), FIONREAD; unix(7), SIOCOUTQ, which is only exact when it is nothing; where
        the system does not tell, what was written counts as read.
        """
        if self._socket is None:
            self._read_bytes = self.written_bytes - _count(self._fd, termios.FIONREAD)
        elif not self._is_reset() and not _count(self._fd, termios.TIOCOUTQ):
            self._read_bytes = self.written_bytes
        return self._read_bytes

    def _is_reset(self) -> bool:
        """Report whether the other side has closed with something unread, which is then gone."""
        assert self._socket
        self._was_reset = self._was_reset or bool(
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        )
        return self._was_reset


def _write_all(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _count(fd: int, request: int) -> int:
    found = array.array("i", [0])
    try:
        fcntl.ioctl(fd, request, found)
    except OSError:
        return 0
    return found[0]
