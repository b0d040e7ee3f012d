"""The streams of a process, which last beyond one request and end when it drains."""

import asyncio
import contextlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.errors import TransientError
from bridge.net.connection import Connection

COME_BACK_S = 5.0

Token = tuple[str, str]
"""What let a stream's client in: a digest, empty where it cannot be revoked, and a server."""
NO_TOKEN: Token = ("", "")


@dataclass(eq=False, slots=True)
class OpenStream:
    """One stream, among the open ones of its process while it is entered.

    `close` ends it when the process drains, `cut` when the `token` that let its client in is good
    for nothing any more, or the `connection` is over.
    """

    streams: "OpenStreams"
    close: Callable[[], object]
    cut: Callable[[], object]
    token: Token
    connection: Connection | None

    def __enter__(self) -> None:
        """Count it; where the process drains already, it ends at once."""
        self.streams.add(self)
        if self.connection:
            self.connection.add_end_callback(self.cut)

    def __exit__(self, *_: object) -> None:
        """Count it no more."""
        self.streams.discard(self)
        if self.connection:
            self.connection.remove_end_callback(self.cut)


class OpenStreams:
    """The streams that this process holds open, so that it can end them when it drains."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[OpenStream] = set()
        self._let_in_by: defaultdict[Token, set[OpenStream]] = defaultdict(set)
        self.draining = asyncio.Event()

    def holding(
        self,
        close: Callable[[], object],
        cut: Callable[[], object] = lambda: None,
        token: Token = NO_TOKEN,
        connection: Connection | None = None,
    ) -> OpenStream:
        """Return a stream that is open while it is entered."""
        return OpenStream(self, close, cut, token, connection)

    def add(self, stream: OpenStream) -> None:
        """Count a stream among the open ones."""
        self._open.add(stream)
        self._let_in_by[stream.token].add(stream)
        if self.draining.is_set():
            stream.close()

    def discard(self, stream: OpenStream) -> None:
        """Count a stream no more."""
        self._open.discard(stream)
        self._let_in_by[stream.token].discard(stream)
        if not self._let_in_by[stream.token]:
            del self._let_in_by[stream.token]

    def tokens(self) -> tuple[Token, ...]:
        """Name the tokens that let someone in to a stream that is open."""
        return tuple(token for token in self._let_in_by if token[0])

    def cut(self, token: Token) -> None:
        """End the streams that a token let someone in to."""
        for stream in tuple(self._let_in_by.get(token, ())):
            stream.cut()

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
        for stream in tuple(self._open):
            stream.close()

    def __len__(self) -> int:
        return len(self._open)


class StreamShares:
    """How many streams of a kind each of those who may open them has in this process, and all."""

    def __init__(self, most_each: int, most: float = math.inf) -> None:
        self._most_each = most_each
        self._most = most
        self._open = Counter[str]()

    def demand_room(self, owner: str) -> None:
        """See that an owner may open one more.

        Raises:
            TransientError: it has as many as it may, or all have; another process may have room.
        """
        if self._open[owner] >= self._most_each:
            raise TransientError(
                f"you have {self._most_each} such streams open already, as many as one may",
                COME_BACK_S,
            )
        if self._open.total() >= self._most:
            raise TransientError(f"{self._most} streams of all are open already", COME_BACK_S)

    @contextlib.contextmanager
    def counting(self, owner: str) -> Iterator[None]:
        """Count a stream among those of its owner while the block lasts."""
        self._open[owner] += 1
        try:
            yield
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]
