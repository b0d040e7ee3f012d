"""What has arrived at the other end of a pipe, as far as this end can know.

An answer has arrived when all that was written has been read, and then either the client asks for
something more or SURE_AFTER_S pass and it is still there. What it had asked before the answer was
there to be written proves nothing. Without proof an answer counts as not received.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from bridge.errors import TransientError
from bridge.mcp.wires.pipes import LinesIn, LinesOut
from bridge.verbs.receipts import NOTHING, Receipts

SURE_AFTER_S = 5.0
NOTED_WITHIN_S = 0.1
"""How long a request may wait until a write that has ended, as far as one sees, is known to."""


class Arrivals:
    """The receipts of one client's answers, until their fate is known."""

    def __init__(self, receipts: Receipts, source: LinesIn, sink: LinesOut) -> None:
        self._receipts = receipts
        self._source = source
        self._sink = sink
        self._unsure: deque[tuple[float, str]] = deque()
        self._provable = 0
        self._writing: set[asyncio.Future[None]] = set()

    async def write(self, line: bytes, receipt: str) -> None:
        """Write an answer, and note when the system has taken it whole.

        Raises:
            OSError: the client is gone.
        """
        is_provable = self._source.is_idle()
        with self._noting():
            await self._sink.write(line)
            if receipt != NOTHING:
                self._unsure.append((_now(), receipt))
        if is_provable or self._source.is_idle():
            self._provable = len(self._unsure)

    async def prove(self) -> None:
        """Take something that the client has just said as proof of what it could read before.

        A fast client asks on before the thread that wrote can say so; then nothing is left to read.
        """
        if self._writing and self._sink.is_taken():
            await asyncio.wait(self._writing, timeout=NOTED_WITHIN_S)
        if self._provable and self._sink.is_taken():
            count, self._provable = self._provable, 0
            await self._settle(count, self._receipts.confirm)

    async def grow_sure(self) -> None:
        """Confirm for ever what the client has long read and is still there after."""
        while True:
            await asyncio.sleep(SURE_AFTER_S / 5)
            sure = sum(at + SURE_AFTER_S <= _now() for at, _ in self._unsure)
            if sure and self._sink.is_open and self._sink.is_taken():
                self._provable = max(0, self._provable - sure)
                await self._settle(sure, self._receipts.confirm)

    async def lose(self, receipt: str) -> None:
        """Act on an answer that was surely not received."""
        with contextlib.suppress(TransientError):  # who dies without a word loses it too
            await self._receipts.lose(receipt)

    async def lose_the_rest(self) -> None:
        """Give back, at the end, what nothing proves to have been received."""
        await self._settle(len(self._unsure), self._receipts.lose)

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        noted = asyncio.get_running_loop().create_future()
        self._writing.add(noted)
        try:
            yield
        finally:
            self._writing.discard(noted)
            noted.set_result(None)

    async def _settle(self, count: int, act: Callable[[str], Awaitable[None]]) -> None:
        settled = [self._unsure.popleft()[1] for _ in range(count)]
        with contextlib.suppress(TransientError):
            for receipt in settled:
                await act(receipt)


def _now() -> float:
    return asyncio.get_running_loop().time()
