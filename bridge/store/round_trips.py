"""Round trips to Redis over one connection that is kept."""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.typing import EncodableT
from redis.utils import str_if_bytes
from typing_extensions import override

from bridge.errors import StoreUnavailableError

Command = Sequence[EncodableT]


class CancellableConnection(AbstractConnection):
    """Forgets no cancellation that comes as it sends.

    Before Python 3.12 `asyncio.wait_for`, by which redis-py sends, does (python/cpython#86296).
    """

    @override
    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        """Send commands."""
        task = asyncio.current_task()
        assert task is not None, "a coroutine is run by a task"
        if before := task.cancelling():
            await asyncio.sleep(0)  # one that has come already, and was not raised yet, is here
        await super().send_packed_command(*args, **options)
        if task.cancelling() > before:
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError


class RoundTrips:
    """Takes commands to Redis, many at a time, and brings what each was answered.

    A pipeline of redis-py borrows a connection for each round trip, and has a timer for each write
    and read: two thirds of what one costs the process. This has a connection of its own, made once
    it is needed, and one timer. Use it as an async context manager; round trips must not overlap.
    """

    def __init__(self, redis: Redis) -> None:
        self._connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._answer_s: float | None = self._connection.socket_timeout
        self._connection.socket_timeout = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.disconnect(nowait=True)

    async def leave(self) -> None:
        """Connect anew for the next round trip, perhaps to another server."""
        await self._connection.disconnect(nowait=True)

    async def take(self, commands: Iterable[Command]) -> list[Any]:
        """Send commands and return their answers in order, errors of Redis among them.

        Raises:
            RedisError, OSError: Redis did not answer all of them; each may have been run.
        """
        packed = [self._connection.pack_command(*command) for command in commands]
        try:
            async with asyncio.timeout(self._answer_s) as limit:
                await self._send(chain.from_iterable(packed))
                answers = []
                for _ in packed:
                    answers.append(await self._answer())
                    if self._answer_s is not None:  # each may take as long as the first
                        limit.reschedule(asyncio.get_running_loop().time() + self._answer_s)
                return answers
        except TimeoutError as late:
            raise RedisTimeoutError("Redis does not answer") from late

    async def _send(self, packed: Iterable[bytes]) -> None:
        connection = self._connection
        if connection.should_reconnect() or (
            connection.is_connected and await connection.can_read()
        ):  # it leads to a replica, has ended, or brings what nobody asked
            await self.leave()
        await connection.send_packed_command(packed, check_health=False)

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error


class OneConnection:
    """Runs what must all go over one connection, so to one server, in a pipeline after the other.

    A client makes a connection anew where it has ended, and says nothing. Another server does not
    know where a SCAN stands, and may lack what the one before was given.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._name = secrets.token_hex()

    async def begin(self) -> None:
        """Keep to the connection of now; the client must have no other in use."""
        await self._redis.client_setname(self._name)

    async def run(self, pipeline: Pipeline, *, raises: bool = True) -> list[Any]:
        """Run a pipeline and return its answers, errors of Redis too unless it `raises` them.

        Raises:
            StoreUnavailableError: it went over another connection, perhaps to another server.
            RedisError: Redis did not answer, or refused something.
        """
        pipeline.client_getname()
        *answers, name = await pipeline.execute(raise_on_error=raises)
        if str_if_bytes(name) != self._name:
            raise StoreUnavailableError(
                "the store went away: Redis ended or was replaced meanwhile, so begin again"
            )
        return answers
