"""What handlers print: read, bounded, and logged with the name of their server."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from bridge.handler_processes.pace import Pace
from bridge.n8n.scrub import scrub_text

LINE_BYTES_MAX = 4096
LINES_MAX = 200
"""So many lines are logged in a while; others are counted."""

WHILE_S = 10.0
CHUNK_BYTES = 64 * 1024
BYTES_PER_S = 32 * 1024 * 1024
"""So much is read, most of it to be left out: who prints without end is slowed, not the worker."""

READ_BYTES = BYTES_PER_S // 1000
"""What even a short read counts as, for many of them cost as much."""

logger = logging.getLogger(__name__)


async def log_output(output: BinaryIO, about: Mapping[str, object], secrets: Iterable[str]) -> None:
    """Log each line of the output, a pipe, until its end."""
    source = asyncio.StreamReader(CHUNK_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(source), output
    )
    log = _OutputLog(about, tuple(secrets))
    try:
        await _log_lines(source, log)
    finally:
        transport.close()
        log.tell_of_left_out()


async def _log_lines(source: asyncio.StreamReader, log: "_OutputLog") -> None:
    unfinished, pace = b"", Pace(BYTES_PER_S)
    while chunk := await source.read(CHUNK_BYTES):
        await pace.spend(max(len(chunk), READ_BYTES))
        if log.is_full:
            log.leave_out(chunk.count(b"\n"))
            unfinished = b""
            continue
        *lines, unfinished = (unfinished + chunk).split(b"\n")
        for line in lines:
            log.write(line)
        if len(unfinished) > LINE_BYTES_MAX:
            log.write(unfinished)
            unfinished = b""
    if unfinished:
        log.write(unfinished)


class _OutputLog:
    """Logs lines, as many as it may in a while."""

    def __init__(self, about: Mapping[str, object], secrets: tuple[str, ...]) -> None:
        self._about = about
        self._secrets = secrets
        self._began_at = 0.0
        self._written = self._left_out = 0

    @property
    def is_full(self) -> bool:
        """Report whether as many lines as may be are logged already, for a while."""
        now = asyncio.get_running_loop().time()
        if now - self._began_at >= WHILE_S:
            self.tell_of_left_out()
            self._began_at, self._written = now, 0
        return self._written >= LINES_MAX

    def leave_out(self, lines: int) -> None:
        """Count lines that are not logged."""
        self._left_out += lines

    def write(self, line: bytes) -> None:
        """Log a line, or count it."""
        if self.is_full:
            self.leave_out(1)
            return
        self._written += 1
        text = scrub_text(line[:LINE_BYTES_MAX].decode(errors="replace"), self._secrets)
        logger.info("handler.output", extra={**self._about, "line": text})

    def tell_of_left_out(self) -> None:
        """Log how many lines were not."""
        if self._left_out:
            logger.warning(
                "handler.output_left_out", extra={**self._about, "lines": self._left_out}
            )
            self._left_out = 0
