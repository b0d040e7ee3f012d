"""What has arrived at the other end of a pipe, as far as this end can know.

An answer has arrived when all of it has been read, and then the client asks for something more, or
SURE_AFTER_S pass and it is still there, or it closes in good order. What it had asked before the
answer was there to be written proves nothing. An answer that was not read whole was lost; where the
program ends before the client does, what was read is in doubt.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.errors import TransientError
from bridge.mcp.wires.pipes import LinesIn, LinesOut
from bridge.verbs.acks import NOTHING, Acks, AckState

SURE_AFTER_S = 5.0
NOTED_WITHIN_S = 0.1
"""How long a request may wait until a write that has ended, as far as one sees, is known to."""
READ_WITHIN_S = 0.2
"""How long a client that has closed may still take to read what it was written last."""


@dataclass(frozen=True)
class WrittenLine:
    """An answer that the system took whole, when, and how much had been written with it."""

    at: float
    ack: str
    place: int


class StdioAcks:
    """The acks of one client's answers, until their fate is known."""

    def __init__(self, acks: Acks, source: LinesIn, sink: LinesOut) -> None:
        self._acks = acks
        self._source = source
        self._sink = sink
        self._unsure: deque[WrittenLine] = deque()
        self._provable = 0
        self._writing: set[asyncio.Future[None]] = set()

    async def write(self, line: bytes, ack: str) -> None:
        """Write an answer, and note when the system has taken it whole.

        Raises:
            OSError: the client is gone.
        """
        is_provable = self._source.is_idle()
        with self._noting():
            await self._sink.write(line)
            if ack != NOTHING:
                self._unsure.append(WrittenLine(_now(), ack, self._sink.written_bytes))
        if is_provable or self._source.is_idle():
            self._provable = len(self._unsure)

    async def prove(self) -> None:
        """Take something that the client has just said as proof of what it could read before.

        A fast client asks on before the thread that wrote can say so; then nothing is left to read.
        """
        if self._writing and self._sink.read_bytes() == self._sink.written_bytes:
            await asyncio.wait(self._writing, timeout=NOTED_WITHIN_S)
        if count := min(self._provable, self._read()):
            self._provable -= count
            await self._settle(count, AckState.RECEIVED)

    async def grow_sure(self) -> None:
        """Confirm for ever what the client has long read and is still there after."""
        while True:
            await asyncio.sleep(SURE_AFTER_S / 5)
            old = sum(written.at + SURE_AFTER_S <= _now() for written in self._unsure)
            sure = min(old, self._read())
            if sure and self._sink.is_open:
                self._provable = max(0, self._provable - sure)
                await self._settle(sure, AckState.RECEIVED)

    async def settle_the_rest(self) -> None:
        """Settle all by what is known at the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_WITHIN_S):
                while self._read() < len(self._unsure):  # noqa: ASYNC110 - the system tells nobody
                    await asyncio.sleep(READ_WITHIN_S / 20)
        is_proven = self._source.is_closed_by_peer
        await self._settle(self._read(), AckState.RECEIVED if is_proven else AckState.IN_DOUBT)
        await self._settle(len(self._unsure), AckState.LOST)

    def _read(self) -> int:
        """Count the answers, from the first on, that the client has read whole."""
        read_bytes = self._sink.read_bytes()
        return sum(written.place <= read_bytes for written in self._unsure)

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        noted = asyncio.get_running_loop().create_future()
        self._writing.add(noted)
        try:
            yield
        finally:
            self._writing.discard(noted)
            noted.set_result(None)

    async def _settle(self, count: int, fate: AckState) -> None:
        settled = [self._unsure.popleft().ack for _ in range(count)]
        await asyncio.gather(*(self._settle_one(ack, fate) for ack in settled))

    async def _settle_one(self, ack: str, fate: AckState) -> None:
        with contextlib.suppress(TransientError):
            await self._acks.settle(ack, fate)


def _now() -> float:
    return asyncio.get_running_loop().time()
