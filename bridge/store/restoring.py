"""Writes restored records: beside the store first, then, all of them, in its place.

Nothing of the store is touched until all lies beside it. While the one is put in the other's place
the store is in a layout that no version reads (RESTORING), so that no process begins on half of it.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError
from redis.utils import str_if_bytes

from bridge.errors import StoreUnavailableError
from bridge.formats.backup_file import KeptKey, KeptRecord
from bridge.redis_faults import RESTORING, RedisFault, sentence_of
from bridge.store.backup_families import family_of
from bridge.store.keys import PREFIX
from bridge.store.processes import LIFE_S
from bridge.store.replicas import Replicas
from bridge.store.restored_indexes import entries_of
from bridge.store.round_trips import OneConnection

BESIDE = f"{PREFIX}restored:"
AT_ONCE = 500
ACKNOWLEDGED_S = 30.0
"""How long replicas may take to have what was written."""

EXPIRED = "no such key"
"""What Redis answers to the renaming of a key that has expired meanwhile."""


@contextlib.contextmanager
def naming_faults() -> Iterator[None]:
    """Report why Redis did not do what the block asked of it.

    Raises:
        StoreUnavailableError: it did not.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        raise StoreUnavailableError(sentence_of(error)) from error


class RestoredStore:
    """Speaks Redis for a restore, in commands of its own: no step runs in such a store.

    All goes over one connection: from one that broke a failover may have taken what it had written.
    """

    def __init__(self, redis: Redis, replicas_min: int = 0) -> None:
        self._redis = redis
        self._connection = OneConnection(redis)
        self._replicas = Replicas(replicas_min) if replicas_min else None
        self._indexes: dict[str, int] = {}
        self.counts = Counter[str]()
        """How many records of each family were written that have not expired."""

    async def begin(self) -> None:
        """Keep to one connection from here on, to a server that the replicas follow."""
        await self._connection.begin()
        await self.settle()

    async def settle(self) -> None:
        """Wait until all that was written is on the replicas that must have it.

        Raises:
            StoreUnavailableError: they do not get it, or the connection has ended meanwhile.
        """
        ends_at = asyncio.get_running_loop().time() + ACKNOWLEDGED_S
        while fault := await self._lack():
            if fault.lasts or asyncio.get_running_loop().time() > ends_at:
                raise StoreUnavailableError(fault.sentence)

    async def _lack(self) -> RedisFault | None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for command in self._replicas.waiting() if self._replicas else ():
                pipe.execute_command(*command)
            answers = await self._connection.run(pipe, raises=False)
        return self._replicas.fault_in(answers[-1]) if self._replicas else None

    async def now_ms(self) -> int:
        """Read Redis's clock."""
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def is_half_restored(self) -> bool:
        """Report whether a restore has begun here and not ended."""
        return int(await self._redis.get(f"{PREFIX}layout") or 0) == RESTORING

    async def name(self) -> str | None:
        """Read whose store it is; None where no bridge has been here, or a half restored one."""
        name = await self._redis.get(f"{PREFIX}identity")
        return str_if_bytes(name) if name else None

    async def order(self) -> int:
        """Read the last order number given; 0 where none was."""
        return int(await self._redis.get(f"{PREFIX}order") or 0)

    async def living(self) -> list[str]:
        """Name the processes of the bridge that live."""
        since = await self.now_ms() - round(LIFE_S * 1000)
        found = await self._redis.zrangebyscore(f"{PREFIX}processes", f"({since}", "+inf")
        return [str_if_bytes(each) for each in found if isinstance(each, bytes | str)]

    async def clear(self) -> None:
        """Take away what an earlier restore left beside the store."""
        async for keys in self._scan(f"{BESIDE}*"):
            await self._redis.unlink(*keys)

    async def add(self, records: Sequence[KeptRecord], now_ms: int) -> None:
        """Write records beside the store; the first of one that comes twice counts."""
        new = {record.keys[0].name: record for record in reversed(records)}
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in new:
                pipe.exists(BESIDE + name)
            known = await pipe.execute()
            for record, is_known in zip(list(new.values()), known, strict=True):
                if not is_known:
                    self._write(pipe, record, now_ms)
            await pipe.execute()

    def _write(self, pipe: Pipeline, record: KeptRecord, now_ms: int) -> None:
        if _is_past(record.keys[0], now_ms):
            return
        self.counts[record.family] += 1
        # Its own keys come last: where they are there, a Redis that lost its end has all of it.
        for entry in entries_of(record, now_ms):
            pipe.zadd(BESIDE + entry.key, {entry.member: entry.score}, gt=True)
            lives_until_ms = self._indexes.get(entry.key, 0)
            self._indexes[entry.key] = max(entry.lives_until_ms, lives_until_ms)
        for key in record.keys:
            _put(pipe, key)

    async def finish(self, name: str, order: int, layout: int) -> None:
        """Write beside the store whose it is, and how long its indexes live."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for index, at_ms in self._indexes.items():
                if at_ms:
                    pipe.pexpireat(BESIDE + index, at_ms)
            pipe.set(f"{BESIDE}identity", name)
            pipe.set(f"{BESIDE}order", order)
            pipe.set(f"{BESIDE}layout", layout)
            await pipe.execute()

    async def inside(self) -> Counter[str]:
        """Count the keys of the store, by family."""
        found = Counter[str]()
        async for keys in self._scan(f"{PREFIX}*"):
            for key in keys:
                if family := family_of(key.removeprefix(PREFIX)):
                    found[family.name] += 1
        return found

    async def lacking_beside(self, records: Sequence[KeptRecord]) -> list[str]:
        """Name the records that do not lie beside the store though they have not expired."""
        return await self._lacking(BESIDE, records, by_marks=False)

    async def lacking_indexes(self) -> list[str]:
        """Name the indexes that do not lie beside the store though they have not expired."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for index in self._indexes:
                pipe.exists(BESIDE + index)
            found, now_ms = await _answers(pipe)
        return [
            index
            for (index, at_ms), is_there in zip(self._indexes.items(), found, strict=True)
            if not is_there and not 0 < at_ms <= now_ms
        ]

    async def lacking(self, records: Sequence[KeptRecord]) -> list[str]:
        """Name the records that the store has not, or with another lease, reply or result."""
        return await self._lacking(PREFIX, records, by_marks=True)

    async def _lacking(
        self, prefix: str, records: Sequence[KeptRecord], *, by_marks: bool
    ) -> list[str]:
        async with self._redis.pipeline(transaction=False) as pipe:
            wanted = [
                [(key, _ask(pipe, prefix + key.name, key, by_marks)) for key in record.keys]
                for record in records
            ]
            found, now_ms = await _answers(pipe)
        answers, lacking = iter(found), []
        for record, asked in zip(records, wanted, strict=True):
            are_right = [
                [next(answers) for _ in values] == values or _is_past(key, now_ms)
                for key, values in asked
            ]
            if not all(are_right) and not _is_past(record.keys[0], now_ms):
                lacking.append(record.keys[0].name)
        return lacking

    async def hold(self) -> str | None:
        """Let no step run from here on; returns the layout as it was."""
        await self.settle()
        layout = await self._redis.getset(f"{PREFIX}layout", RESTORING)
        return str_if_bytes(layout) if layout else None

    async def let_go(self, layout: str | None) -> None:
        """Let steps run again, in the layout that was."""
        if layout is None:
            await self._redis.delete(f"{PREFIX}layout")
        else:
            await self._redis.set(f"{PREFIX}layout", layout)

    async def replace(self) -> None:
        """Put what lies beside the store in its place; the layout comes last: steps run then."""
        layout = f"{PREFIX}layout"
        # Should this be broken off, the next restore still knows which order number was the last.
        kept = (layout, f"{PREFIX}order")
        async for keys in self._scan(f"{PREFIX}*"):
            old = [key for key in keys if not key.startswith(BESIDE) and key not in kept]
            if old:
                await self._redis.unlink(*old)
        async for keys in self._scan(f"{BESIDE}*"):
            async with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    to = PREFIX + key.removeprefix(BESIDE)
                    if to != layout:
                        pipe.rename(key, to)
                for answer in await pipe.execute(raise_on_error=False):
                    if isinstance(answer, RedisError) and str(answer) != EXPIRED:
                        raise answer
        await self.settle()
        await self._redis.rename(f"{BESIDE}layout", layout)
        await self.settle()

    async def _scan(self, pattern: str) -> AsyncIterator[list[str]]:
        cursor = 0
        while True:
            cursor, keys = await self._redis.scan(cursor, match=pattern, count=AT_ONCE)
            if keys:
                yield [str_if_bytes(key) for key in keys]
            if not cursor:
                return


def _is_past(key: KeptKey, now_ms: int) -> bool:
    return 0 < key.expires_at_ms <= now_ms


async def _answers(pipe: Pipeline) -> tuple[list[Any], int]:
    """Return what Redis answers, and its clock in ms behind the last of it."""
    pipe.time()
    *found, (seconds, microseconds) = await pipe.execute()
    return found, int(seconds) * 1000 + int(microseconds) // 1000


def _ask(pipe: Pipeline, name: str, key: KeptKey, by_marks: bool) -> list[object]:
    """Ask whether a key is there, and whether what marks it lives on; returns what answers yes."""
    pipe.exists(name)
    family = key.name.partition(":")[0]
    if by_marks and (field := {"event": "lease", "reply": "value"}.get(family)):
        pipe.hget(name, field)
        return [1, key.fields.get(field.encode())]
    if by_marks and family == "result":
        pipe.get(name)
        return [1, key.value[0]]
    return [1]


def _put(pipe: Pipeline, key: KeptKey) -> None:
    name, value = BESIDE + key.name, key.value
    match key.kind:
        case "string":
            pipe.set(name, value[0])
        case "hash":
            pipe.hset(name, items=value)
        case "list":
            pipe.rpush(name, *value)
        case "set":
            pipe.sadd(name, *value)
        case _:
            pairs = zip(value[::2], value[1::2], strict=True)
            pipe.zadd(name, {member: float(score) for member, score in pairs})
    if key.expires_at_ms:
        pipe.pexpireat(name, key.expires_at_ms)
