"""Where the primary is, as its Sentinels say, and who must leave the one before it."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakSet

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    InvalidResponse,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry as BlockingRetry

from bridge.ending import end
from bridge.formats.redis_addresses import SentinelAddress
from bridge.redis_faults import PrimaryUnknownError, RedisFault, fault_of
from bridge.store.round_trips import RoundTrips
from bridge.store.signals import messages

logger = logging.getLogger(__name__)

Place = tuple[str, int]

SWITCHED = "+switch-master"
"""The channel on which a Sentinel says that the primary is another now."""

ANSWER_S = 1.0
REST_S = 0.25
"""How long the last Sentinels are waited for: a host that is cut off holds up nobody."""
PAUSE_S = 0.2

OPTIONS: dict[str, Any] = {
    "protocol": 2,
    "socket_timeout": ANSWER_S,
    "socket_connect_timeout": ANSWER_S,
    "decode_responses": True,
    "encoding_errors": "replace",
}


_NOBODY_CHOSEN = RedisFault(
    "the store does not answer: its Sentinels find the primary down, and another one is not chosen "
    "yet"
)
_NOBODY_ANSWERS = RedisFault(
    "the store does not answer: no Sentinel that BRIDGE_REDIS_URL names answers"
)


class Droppable(Protocol):
    """A connection that others than its user may break off."""

    @property
    def place(self) -> Place:
        """Return where it leads to."""

    def drop(self) -> None:
        """Break it off, from whichever thread; whoever waits on it finds out."""

    def close(self) -> None:
        """Close it at once; nobody uses it any more."""


class OpenConnections:
    """The connections to Redis that a process has, those of its threads too."""

    def __init__(self) -> None:
        self._connections = WeakSet[Droppable]()
        self._lock = threading.Lock()

    def add(self, connection: Droppable) -> None:
        """Know of one more, for as long as it is used."""
        with self._lock:
            self._connections.add(connection)

    def drop(self, but: Place | None = None) -> None:
        """Break off all, or all that do not lead to one place."""
        with self._lock:
            dropped = [each for each in self._connections if but is None or each.place != but]
        for connection in dropped:
            connection.drop()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            closed = list(self._connections)
        for connection in closed:
            connection.close()


@dataclass(frozen=True)
class Naming:
    """Whom one Sentinel names, since which failover, and whether it finds that one up."""

    epoch: int
    is_up: bool
    place: Place


class Primary:
    """Finds the primary of one process anew for each connection.

    While it is followed, a failover breaks off the connections to the primary before at once,
    those that threads hold too.
    """

    def __init__(self, address: SentinelAddress, connections: OpenConnections) -> None:
        self._name = address.name
        self._sentinels = address.sentinel_urls
        self._known: Place | None = None
        self._connections = connections
        self._looking: asyncio.Task[Place | RedisFault] | None = None

    async def find(self) -> Place:
        """Ask the Sentinels, once for all who ask at the same time.

        Raises:
            PrimaryUnknownError: they name nobody who is up, or do not answer.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="primary")
        found = await asyncio.shield(self._looking)
        if isinstance(found, RedisFault):
            raise PrimaryUnknownError(found)
        return found

    def find_blocking(self) -> Place:
        """Ask the Sentinels from a thread, one after the other.

        Raises:
            PrimaryUnknownError: they name nobody who is up, or do not answer.
        """
        said: list[Naming | RedisError] = []
        for sentinel in self._sentinels:
            try:
                said.append(self._ask_blocking(sentinel))
            except RedisError as error:
                said.append(error)
            if len(_namings(said)) > len(self._sentinels) // 2:
                break
        found = self._chosen(said)
        if isinstance(found, RedisFault):
            raise PrimaryUnknownError(found)
        return found

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Hear of failovers while the block lasts."""
        ears = [asyncio.create_task(self._hear(each), name="failovers") for each in self._sentinels]
        try:
            yield
        finally:
            await end(*ears)

    async def _hear(self, url: str) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with self._sentinel(url) as client, client.pubsub() as ear:
                    await ear.subscribe(SWITCHED)
                    async for _ in messages(ear):  # also where it answers a ping
                        self._looking = None  # what was asked before may be out of date
                        with contextlib.suppress(PrimaryUnknownError):
                            self._leave_others(await self.find())
            await asyncio.sleep(PAUSE_S)

    def _leave_others(self, place: Place) -> None:
        if self._known not in (None, place):
            logger.warning("redis.failed_over", extra={"primary": f"{place[0]}:{place[1]}"})
        self._known = place
        self._connections.drop(but=place)

    async def _look(self) -> Place | RedisFault:
        """Ask all Sentinels; a fault says why there is no primary now."""
        asking = [asyncio.create_task(self._ask(each)) for each in self._sentinels]
        _, late = await asyncio.wait(asking, timeout=REST_S)
        if len(late) * 2 >= len(asking):
            await asyncio.wait(asking, timeout=ANSWER_S)
        said = [task.result() for task in asking if task.done()]
        await end(*(task for task in asking if not task.done()))
        found = self._chosen(said)
        if isinstance(found, RedisFault):
            await asyncio.sleep(REST_S)  # so long all who ask again get the same answer
        return found

    async def _ask(self, url: str) -> Naming | Exception:
        try:
            async with RoundTrips(self._sentinel(url)) as round_trips:
                return _naming(*await round_trips.take(_commands(self._name)))
        except (RedisError, OSError) as error:
            return error

    def _ask_blocking(self, url: str) -> Naming:
        retry = BlockingRetry(NoBackoff(), 0)
        with redis.Redis.from_url(url, retry=retry, **OPTIONS) as client:
            return _naming(*(client.execute_command(*each) for each in _commands(self._name)))

    def _sentinel(self, url: str) -> Redis:
        return Redis.from_url(url, retry=Retry(NoBackoff(), 0), **OPTIONS)

    def _chosen(self, said: Sequence[Naming | Exception]) -> Place | RedisFault:
        """Choose whom those name who know of the latest failover, or say why there is nobody."""
        namings = _namings(said)
        latest = max((naming.epoch for naming in namings), default=0)
        for naming in namings:
            if naming.is_up and naming.epoch == latest:
                return naming.place
        if namings:
            return _NOBODY_CHOSEN
        faults = (self._fault_of(error) for error in said if isinstance(error, Exception))
        return next((fault for fault in faults if fault.lasts), _NOBODY_ANSWERS)

    def _fault_of(self, error: Exception) -> RedisFault:
        if isinstance(error, AuthenticationError | NoPermissionError):
            return RedisFault(
                f"the store refuses the bridge: its Sentinels say {str(error)!r}; the password for "
                "them is ?sentinel_password=… in BRIDGE_REDIS_URL (and sentinel_username)",
                lasts=True,
            )
        if isinstance(error, ResponseError | InvalidResponse):
            return RedisFault(
                "the store does not answer: its Sentinels know no primary by the name "
                f"{self._name!r} in BRIDGE_REDIS_URL, or what listens there are no Sentinels",
                lasts=True,
            )
        return fault_of(error) or _NOBODY_ANSWERS


def _commands(name: str) -> Iterable[tuple[str, ...]]:
    return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name), ("SENTINEL", "MASTER", name)


def _naming(address: Any, told: Any) -> Naming:
    """Read a Sentinel's answers; in the middle of a failover the first names the new one.

    Raises:
        RedisError: it refuses to answer, or is no Sentinel.
    """
    for answer in (address, told):
        if isinstance(answer, RedisError):
            raise answer
    try:
        state = dict(zip(told[::2], told[1::2], strict=True))
        host, port = address
        is_old = (host, port) == (state["ip"], state["port"])
        is_down = bool({"s_down", "o_down"} & set(state["flags"].split(",")))
        return Naming(int(state["config-epoch"]), not (is_old and is_down), (host, int(port)))
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise InvalidResponse("it does not answer as a Sentinel does") from error


def _namings(said: Iterable[Naming | Exception]) -> list[Naming]:
    return [each for each in said if isinstance(each, Naming)]
