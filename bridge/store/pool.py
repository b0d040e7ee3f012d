"""The connections of one process to Redis, whose address says more than where it is."""

import contextlib
import math
import os
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import redis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection as AbstractBlockingConnection
from redis.exceptions import ReadOnlyError, RedisError
from redis.retry import Retry as BlockingRetry
from redis.utils import str_if_bytes
from typing_extensions import override

from bridge.errors import ConfigurationError
from bridge.formats.redis_addresses import SentinelAddress
from bridge.store.primary import OpenConnections, Place, Primary
from bridge.store.round_trips import CancellableConnection
from bridge.store.steps import StepConnection, Steps

CONNECT_S = 5.0
ANSWER_S = 5.0
LEAVE_AGAIN_S = 5.0

SENDS_NO_MORE = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: with the connection ends what the system has still to send on it."""


class KnownConnection:
    """A connection that stands among those of its process, by where it leads to."""

    def __init__(self, *, beside: OpenConnections, **options: Any) -> None:
        super().__init__(**options)
        self._beside = beside

    @property
    def place(self) -> Place:
        """Return where it leads to; nowhere, for a socket of this machine."""
        return getattr(self, "host", ""), int(getattr(self, "port", 0))


class OpenConnection(KnownConnection, CancellableConnection):
    """A connection that others than its user may break off.

    What has not arrived when it is given up never does. The system would go on sending it, and a
    host that comes back would take a step once more, behind all that was taken meanwhile.
    """

    @override
    async def _connect(self) -> None:
        await super()._connect()  # type: ignore[safe-super,no-untyped-call]
        if self._writer is not None:
            self._writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, SENDS_NO_MORE
            )
        self._beside.add(self)

    @override
    async def disconnect(self, *args: Any, **options: Any) -> None:
        """Close it at once."""
        if self._writer is not None:
            self._writer.transport.abort()
        await super().disconnect(*args, **options)

    def drop(self) -> None:
        """Break it off; whoever waits on it finds out."""
        if self._writer is not None and not self._writer.is_closing():
            _shut_down(self._writer.get_extra_info("socket"))

    def close(self) -> None:
        """Close it without waiting for anything."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._close()  # type: ignore[no-untyped-call]


class PrimaryConnection(OpenConnection):
    """A connection to whichever server is the primary as it is made, also when it is made again."""

    def __init__(self, *, primary: Primary, **options: Any) -> None:
        super().__init__(**options)
        self._primary = primary

    @override
    async def _connect(self) -> None:
        self.host, self.port = await self._primary.find()
        await super()._connect()

    @override
    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        await self.send_command("HELLO", check_health=False)
        _demand_primary(await self.read_response())


class OpenBlockingConnection(KnownConnection, AbstractBlockingConnection):
    """A connection of a thread that others may break off."""

    @override
    def _connect(self) -> socket.socket:
        connected: socket.socket = super()._connect()  # type: ignore[safe-super,no-untyped-call]
        self._beside.add(self)
        return connected

    def drop(self) -> None:
        """Break it off; whoever waits on it finds out."""
        if (connected := self._sock) is not None:  # its thread may close it meanwhile
            _shut_down(connected)

    def close(self) -> None:
        """Close it."""
        self.disconnect()  # type: ignore[no-untyped-call]


class BlockingPrimaryConnection(OpenBlockingConnection):
    """The same to whichever server is the primary as it is made."""

    def __init__(self, *, primary: Primary, **options: Any) -> None:
        super().__init__(**options)
        self._primary = primary

    @override
    def _connect(self) -> socket.socket:
        self.host, self.port = self._primary.find_blocking()
        return super()._connect()

    @override
    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)
        self.send_command("HELLO", check_health=False)  # type: ignore[no-untyped-call]
        _demand_primary(self.read_response())


class RedisConnections:
    """How one process is connected to Redis: by one address, and to one primary.

    Raises:
        ConfigurationError: the address has an option that there is not, or a wrong value of one.
    """

    def __init__(self, url: str) -> None:
        named = SentinelAddress.of(url)
        self._url = named.server_url if named else url
        self._open = OpenConnections()
        self._primary = Primary(named, self._open) if named else None
        self._left_at = -math.inf
        with _naming_wrong_options():
            pool = self.pool()
            pool.make_connection()  # type: ignore[no-untyped-call]
        self.client = Redis.from_pool(pool)

    def pool(self) -> BlockingConnectionPool:
        """Make connections for steps and short commands."""
        pool = BlockingConnectionPool.from_url(
            self._url,
            max_connections=8,
            timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=CONNECT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._lead(pool, OpenConnection, PrimaryConnection, StepConnection)
        return pool

    def listener(self) -> Redis:
        """Make a client that waits for whatever is published, for as long as it takes."""
        client: Redis = Redis.from_url(
            self._url,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._lead(client.connection_pool, OpenConnection, PrimaryConnection)
        return client

    def blocking(self, answer_s: float | None = None) -> redis.Redis:
        """Make a client for a thread; it waits `answer_s` or without end, and does not retry."""
        client: redis.Redis = redis.Redis.from_url(
            self._url,
            socket_timeout=answer_s,
            socket_connect_timeout=answer_s or CONNECT_S,
            retry=BlockingRetry(NoBackoff(), 0),
        )
        self._lead(client.connection_pool, OpenBlockingConnection, BlockingPrimaryConnection)
        return client

    @contextlib.asynccontextmanager
    async def following(self, steps: Steps) -> AsyncIterator[None]:
        """Leave a server that is not the primary any more, and close all connections at last.

        Sentinels say so, or steps that are not taken.
        """
        steps.leave = self._leave
        followed = self._primary.followed() if self._primary else contextlib.nullcontext()
        with self.closing():
            async with followed:
                yield

    @contextlib.contextmanager
    def closing(self) -> Iterator[Redis]:
        """Close all connections when the block ends, those of threads too, however it ends.

        A pool of redis-py closes each in a task, which does nothing where a cancellation comes
        before it has begun.
        """
        try:
            yield self.client
        finally:
            self._open.close()

    def _leave(self) -> None:
        """Connect all anew, by what the address leads to now; not again and again for one fault."""
        now = time.monotonic()
        if now - self._left_at >= LEAVE_AGAIN_S:
            self._left_at = now
            self._open.drop()

    def _lead(self, pool: Any, usual: type, primary: type, *others: type) -> None:
        """Have a pool make connections of our kinds too: the usual one, or to the primary."""
        pool.connection_kwargs["beside"] = self._open
        ours = usual
        if self._primary is not None:
            pool.connection_kwargs["primary"] = self._primary
            ours = primary
        kind = pool.connection_class
        pool.connection_class = type(kind.__name__, (*others, ours, kind), {})


def connected_to(url: str) -> contextlib.AbstractContextManager[Redis]:
    """Make the client of what soon ends, and close its connections when the block does.

    Raises:
        ConfigurationError: the address has an option that there is not, or a wrong value of one.
    """
    return RedisConnections(url).closing()


@contextlib.contextmanager
def _naming_wrong_options() -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError, RedisError) as error:
        named = re.search(r"'\w+'", str(error))
        fault = "BRIDGE_REDIS_URL has an option after its ? that there is not, or a wrong value"
        raise ConfigurationError((fault + (f": {named[0]}" if named else ""),)) from None


def _shut_down(connected: Any) -> None:
    """End a connection below whoever uses it: uvloop has no error for one that is closed above."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connected.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


def _demand_primary(told: Any) -> None:
    """Refuse a server that says in its answer to HELLO that it follows another.

    Raises:
        ReadOnlyError: it does.
    """
    if isinstance(told, list):  # as RESP2 has it
        told = dict(zip(told[::2], told[1::2], strict=True))
    if str_if_bytes(told.get(b"role", told.get("role"))) == "replica":
        raise ReadOnlyError("READONLY this server is a replica now")
