"""Counts what one Valkey does for a unit of work: exact where nothing else runs meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from redis.asyncio import Redis

CALM_S, CALM_LOOKS = 0.03, 4
SECTIONS = ("server", "stats", "persistence", "commandstats")
OWN = "cmdstat_info"

Counts = Mapping[str, float]
"""How much of each measure, by its name."""


class ValkeyCounter:
    """Reads the counters of a Valkey on this machine whose log is flushed always.

    A round trip is one read from a client's connection: a pipeline that fits in one segment counts
    once. A flush of the append-only file is a `write` call of the process that answers no client.
    """

    def __init__(self, redis: Redis, pid: int) -> None:
        self._redis = redis
        self._pid = pid
        self._looks = 0

    @classmethod
    async def of(cls, redis: Redis) -> Self:
        """Count what the server of this client does."""
        return cls(redis, (await redis.info("server"))["process_id"])

    async def settled(self) -> Counts:
        """Return the counters once no command has been run for some looks in a row."""
        last, calm = await self.read(), 0
        while calm < CALM_LOOKS:
            await asyncio.sleep(CALM_S)
            now = await self.read()
            calm = calm + 1 if now["redis_commands"] == last["redis_commands"] else 0
            last = now
        return last

    async def read(self) -> Counts:
        """Return the counters now, without what it costs to read them."""
        info = await self._redis.info(*SECTIONS)
        rows = {name: row for name, row in info.items() if name.startswith("cmdstat_")}
        self._looks += 1
        answers = info["total_writes_processed"] + 1  # this one was written after it was counted
        return {
            "redis_commands": sum(row["calls"] for name, row in rows.items() if name != OWN),
            "round_trips": info["total_reads_processed"] - self._looks,
            "log_bytes": info["aof_current_size"],
            "flushes": self._written() - answers,
        }

    def _written(self) -> int:
        for line in Path(f"/proc/{self._pid}/io").read_text().splitlines():
            if line.startswith("syscw:"):
                return int(line.split()[1])
        raise LookupError("the system counts no writes of a process")


def between(before: Counts, after: Counts, units: float = 1) -> Counts:
    """Divide what was added by how many units of work were done."""
    return {name: (after[name] - before[name]) / units for name in before}


async def counted(
    counter: ValkeyCounter, unit: Callable[[], Awaitable[None]], rounds: int, units: int = 1
) -> Counts:
    """Do a unit of work in rounds of `units`; return the least of each measure."""
    samples = []
    for _ in range(rounds):
        before = await counter.settled()
        await unit()
        samples.append(between(before, await counter.settled(), units))
    return least(samples)


def least(samples: Sequence[Counts]) -> Counts:
    """Return the least of each measure: what processes do by the clock in some rounds only adds."""
    return {name: min(sample[name] for sample in samples) for name in samples[0]}
