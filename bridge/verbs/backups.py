"""The verbs of backups: write all records into a file, and put them into a store again."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bridge import __version__
from bridge.errors import ConflictError, StoreUnavailableError
from bridge.formats.backup_file import (
    BackupError,
    BackupReader,
    BackupWriter,
    Ending,
    Heading,
    KeptRecord,
)
from bridge.store.backup import BackupStore
from bridge.store.backup_families import is_known
from bridge.store.layout import NEWEST
from bridge.store.restored_indexes import entries_of
from bridge.store.restoring import RestoredStore, naming_faults
from bridge.verbs.mending import is_starting, mended

WRITTEN_BYTES = 4 * 1024 * 1024
WRITTEN_RECORDS = 500
"""So much is written in one round trip, or one record that is longer."""

CLOCK_BEHIND_MS = 5000
"""By so much Redis's clock may be behind the moment of a backup."""


async def back_up(store: BackupStore, file: BinaryIO) -> Counter[str]:
    """Write every record into a file; returns how many there are of each family.

    Each record is whole, as it stood at one moment between the beginning and the end.

    Raises:
        StoreUnavailableError: the store does not answer.
        ConflictError: no bridge has been there.
    """
    begun = await store.standing()
    if begun.name is None:
        raise ConflictError("there is nothing to back up: no bridge has run on this Redis")
    heading = Heading(__version__, begun.layout, begun.name, begun.now_ms, begun.living > 0)
    writer = BackupWriter(file, heading)
    async for record in store.records():
        writer.add(record)
    ended = await store.standing()
    # A process may have come and gone in between: then it has given an order number.
    was_running = begun.living > 0 or ended.living > 0 or ended.order != begun.order
    writer.end(ended.order or 0, was_running=was_running)
    return writer.counts


def examine(file: BinaryIO) -> tuple[Heading, Ending]:
    """Read a backup to its end, and go back to its beginning.

    Raises:
        BackupError: it cannot be restored.
    """
    reader = BackupReader(file, NEWEST)
    for record in reader.records():
        _demand_sound(record, reader.heading.made_at_ms)
    assert reader.ending is not None, "the last line was read"
    file.seek(0)
    return reader.heading, reader.ending


def _demand_sound(record: KeptRecord, at_ms: int) -> None:
    """Refuse what no bridge writes, so that nothing but records of ours is ever restored.

    Raises:
        BackupError: this is none.
    """
    try:
        is_sound = is_known(record)
        for _entry in entries_of(mended(record, at_ms, was_running=False), at_ms):
            pass
    except (KeyError, ValueError):
        is_sound = False
    if not is_sound:
        raise BackupError(f"{record.keys[0].name} is no record that this version knows")


@dataclass
class Restore:
    """One backup on its way into a store; `went_on` says that the bridge has run since."""

    store: RestoredStore
    file: BinaryIO
    heading: Heading
    ending: Ending
    went_on: bool = False
    starting: int = 0
    """How many open calls were restored that begin once a worker runs."""

    is_clock_behind: bool = False
    """Whether the backup was made at a moment that Redis's clock has not reached."""

    async def run(self, *, replaces: bool) -> Counter[str]:
        """Put the records in the place of what the store holds; returns how many have not expired.

        Until all of them lie beside it, the store is left as it is.

        Raises:
            ConflictError: processes live, or a bridge has been there that is not to be replaced.
            StoreUnavailableError: the store went away, or does not take the records.
        """
        with naming_faults():
            await self.store.begin()
            await self._demand_room(replaces=replaces)
            try:
                await self._write_beside()
                layout = await self.store.hold()
            except BaseException:
                with contextlib.suppress(StoreUnavailableError), naming_faults():
                    await self.store.clear()
                raise
            await self._replace(layout)
        return self.store.counts

    async def _demand_room(self, *, replaces: bool) -> None:
        await self._demand_nobody()
        if await self.store.is_half_restored() or replaces:
            return
        if await self.store.name():
            raise ConflictError(
                "a bridge has been on this Redis already: with --replace its records are lost "
                "and those of the backup take their place"
            )

    async def _demand_nobody(self) -> None:
        if living := await self.store.living():
            raise ConflictError(
                f"processes of the bridge run on this Redis ({', '.join(living)}): stop them "
                "first; one that was killed counts for six seconds more"
            )

    async def _write_beside(self) -> None:
        await self.store.clear()
        now_ms, order = await self.store.now_ms(), await self.store.order()
        self.is_clock_behind = now_ms < self.heading.made_at_ms - CLOCK_BEHIND_MS
        # In the same store a later order number was given since.
        is_same = await self.store.name() in (self.heading.name, None)
        was_running = self.ending.was_running or self.went_on
        was_running |= is_same and order > self.ending.order
        for part in self._parts():
            records = [mended(each, now_ms, was_running=was_running) for each in part]
            self.starting += sum(map(is_starting, records))
            await self.store.add(records, now_ms)
        order = max(self.ending.order, order)
        await self.store.finish(self.heading.name, order, self.heading.layout)
        await self._demand_all()

    async def _demand_all(self) -> None:
        """Refuse a Redis that has not kept all that it was given."""
        lacking = await self.store.lacking_indexes()
        for part in self._parts():
            lacking += await self.store.lacking_beside(part)
        if lacking:
            raise ConflictError(
                f"Redis has not kept {len(lacking):,} of what was written ({lacking[0]}): give it "
                "memory and the policy noeviction, and see that it does not end meanwhile"
            )

    def _parts(self) -> Iterator[list[KeptRecord]]:
        self.file.seek(0)
        return _parts(BackupReader(self.file, NEWEST).records())

    async def _replace(self, layout: str | None) -> None:
        try:
            await self._demand_nobody()
        except BaseException:
            await self.store.let_go(layout)
            await self.store.clear()
            raise
        try:
            with naming_faults():
                await self.store.replace()
        except (StoreUnavailableError, asyncio.CancelledError) as error:
            raise ConflictError(
                f"broken off as the records changed places ({str(error) or 'it was ended'}): "
                "restore again with --replace before you start a bridge"
            ) from error


def _parts(records: Iterable[KeptRecord]) -> Iterator[list[KeptRecord]]:
    """Divide records into parts that are written at once."""
    part: list[KeptRecord] = []
    size = 0
    for record in records:
        part.append(record)
        size += sum(len(each) for key in record.keys for each in key.value)
        if size > WRITTEN_BYTES or len(part) == WRITTEN_RECORDS:
            yield part
            part, size = [], 0
    yield part


@dataclass(frozen=True)
class StoreComparison:
    """How a backup and a store compare: keys by family, and the records that are not there."""

    backup: Counter[str]
    store: Counter[str]
    lacking: tuple[str, ...]
    """Names of records that the store has not, or with another lease, reply or result."""


async def compare(store: RestoredStore, file: BinaryIO) -> StoreComparison:
    """Look for every record of a backup in a store, and change nothing.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    reader, lacking = BackupReader(file, NEWEST), list[str]()
    with naming_faults():
        for part in _parts(reader.records()):
            lacking += await store.lacking(part)
        inside = await store.inside()
    assert reader.ending is not None, "the last line was read"
    return StoreComparison(reader.ending.counts, inside, tuple(lacking))
