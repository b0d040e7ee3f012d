"""What lasts beyond one request and ends with the process: streams, and work beside them."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from bridge.errors import TransientError

COME_BACK_S = 5.0

Token = tuple[str, str]
"""What let a stream's client in: a digest, empty where it cannot be revoked, and a server."""


class OpenStreams:
    """The streams that this process holds open, so that it can end them when it drains."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Callable[[], object]] = set()
        self._cuts: defaultdict[Token, set[Callable[[], object]]] = defaultdict(set)
        self.draining = asyncio.Event()

    @contextlib.contextmanager
    def holding(self, close: Callable[[], object]) -> Iterator[None]:
        """Have `close` called when the process drains while the block lasts."""
        self._open.add(close)
        if self.draining.is_set():
            close()
        try:
            yield
        finally:
            self._open.discard(close)

    @contextlib.contextmanager
    def let_in_by(self, token: Token, cut: Callable[[], object]) -> Iterator[None]:
        """Have `cut` called when the token is good for nothing any more while the block lasts."""
        self._cuts[token].add(cut)
        try:
            yield
        finally:
            self._cuts[token].discard(cut)
            if not self._cuts[token]:
                del self._cuts[token]

    def tokens(self) -> tuple[Token, ...]:
        """Name the tokens that let someone in to a stream that is open."""
        return tuple(token for token in self._cuts if token[0])

    def cut(self, token: Token) -> None:
        """End the streams that a token let someone in to."""
        for cut in tuple(self._cuts.get(token, ())):
            cut()

    def demand_room(self) -> None:
        """See that one more standing stream may be opened here.

        Raises:
            TransientError: another process may have room, or this one later.
        """
        if len(self) >= self._most:
            raise TransientError(
                "this process holds as many streams as BRIDGE_STREAMS_MAX allows", COME_BACK_S
            )

    def close(self) -> None:
        """End every open stream."""
        self.draining.set()
        for close in tuple(self._open):
            close()

    def __len__(self) -> int:
        return len(self._open)


class BackgroundTasks:
    """Work that outlives the request that began it; it ends with the process at the latest."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin a piece of work."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def end(self) -> None:
        """Cancel what still runs and wait for it to end."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
