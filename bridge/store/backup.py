"""Reads the records of a store for a backup, each whole at one moment, a bounded part at a time."""

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import NamedTuple

from redis.asyncio import Redis
from redis.utils import str_if_bytes

from bridge.formats.backup_file import KeptKey, KeptRecord
from bridge.store.backup_families import ALONE, family_of, kind_of, unknown_part
from bridge.store.keys import PREFIX
from bridge.store.restoring import naming_faults
from bridge.store.round_trips import OneConnection
from bridge.store.steps import Steps, step

SCANNED = 1000
READ_BYTES = 4 * 1024 * 1024
"""A step that has read so much reads no further; its last record may be longer than that."""

READ_RECORDS = 200


class StandingRow(NamedTuple):
    """What the bridge is at one moment, and how many of its processes live."""

    name: str | None
    order: int | None
    layout: int
    now_ms: int
    living: int


class KeyRow(NamedTuple):
    """A key as it is kept; `expires_at_ms` is 0 where it never does."""

    key: str
    kind: str
    expires_at_ms: int
    value: list[bytes]


class KeptRow(NamedTuple):
    """A record with its keys, and where it stands in what is ordered by moments."""

    keys: list[KeyRow]
    lease_ends_at_ms: float | None
    expires_at_ms: float | None
    died_at_ms: float | None
    listed_at: float | None

    def record(self) -> KeptRecord:
        """Return it as a backup holds it."""
        found = self._asdict()
        moments = {name: at for name, at in found.items() if name != "keys" and at is not None}
        keys = tuple(
            KeptKey(row.key.removeprefix(PREFIX), row.kind, row.expires_at_ms, row.value)
            for row in self.keys
        )
        family = family_of(keys[0].name)
        assert family is not None, "only keys that the table knows are read"
        return KeptRecord(family.name, keys, moments)


@step("backup.standing")
async def _standing(steps: Steps) -> StandingRow:
    """Read what the bridge is, and how many of its processes live."""


@step("backup.read")
async def _read(steps: Steps, *, kind: str, names: list[str], most_bytes: int) -> list[KeptRow]:
    """Read records of a kind, until they hold so many bytes."""


class BackupStore:
    """Speaks Redis for backups; the client leaves bytes as they are."""

    def __init__(self, steps: Steps, redis: Redis) -> None:
        self._steps = steps
        self._redis = redis
        self.unknown = set[str]()
        """How the keys begin that were left out, for this version does not know them."""

    async def standing(self) -> StandingRow:
        """Read what the bridge is, and how many of its processes live."""
        return await _standing(self._steps)

    async def records(self) -> AsyncIterator[KeptRecord]:
        """Read every record that is there from the beginning to the end, once at least.

        Raises:
            StoreUnavailableError: Redis does not answer, or perhaps another one does by now.
        """
        async for keys in self._keys():
            names = defaultdict[str, list[str]](list)
            for key in keys:
                if unknown := unknown_part(key):
                    self.unknown.add(unknown)
                if kind := kind_of(key):
                    names[kind].append(key if kind == ALONE else key.rpartition(":")[2])
            for kind, wanted in names.items():
                async for record in self._read(kind, wanted):
                    yield record

    async def _keys(self) -> AsyncIterator[list[str]]:
        """Name all keys."""
        connection, cursor = OneConnection(self._redis), 0
        with naming_faults():
            await connection.begin()
            while True:
                async with self._redis.pipeline(transaction=False) as pipe:
                    pipe.scan(cursor, match=f"{PREFIX}*", count=SCANNED)
                    ((cursor, keys),) = await connection.run(pipe)
                yield [str_if_bytes(key) for key in keys]
                if not cursor:
                    return

    async def _read(self, kind: str, names: list[str]) -> AsyncIterator[KeptRecord]:
        while names:
            rows = await _read(
                self._steps, kind=kind, names=names[:READ_RECORDS], most_bytes=READ_BYTES
            )
            for row in rows:
                if row.keys:  # it may have expired meanwhile
                    yield row.record()
            names = names[len(rows) :]
