"""What the processes hold, looked at again and again: memory, descriptors, Redis's keys."""

import asyncio
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis

from bridge.store.keys import owner_of
from tests.bench.memory import KB_A_MB, resident_kb

LOOKS = 10
"""Each sample is the median of so many looks: what is under way rises and falls within a second."""

MEMORY, DESCRIPTORS = "MB resident", "descriptors"
USED, KEYS = "MB used", "keys"
STORE = "valkey"

Name = tuple[str, str]
"""A process, and what it holds."""


@dataclass
class Samples:
    """The samples of each number, oldest first, one each `every_s`."""

    every_s: float
    of: dict[Name, list[float]] = field(default_factory=dict)

    async def gather(self, pids: Mapping[str, int], redis: Redis, stop: asyncio.Event) -> None:
        """Sample until told to stop: a client of Redis may go on though it is cancelled."""
        while not stop.is_set():
            looks = defaultdict[Name, list[float]](list)
            for _ in range(LOOKS):
                await asyncio.sleep(self.every_s / LOOKS)
                for name, value in (await look(pids, redis)).items():
                    looks[name].append(value)
            for name, values in looks.items():
                self.of.setdefault(name, []).append(statistics.median(values))


async def look(pids: Mapping[str, int], redis: Redis) -> dict[Name, float]:
    """Read every number once."""
    held: dict[Name, float] = {}
    for process, pid in pids.items():
        held[process, MEMORY] = resident_kb(pid) / KB_A_MB
        held[process, DESCRIPTORS] = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    memory = await redis.info("memory")
    held[STORE, USED] = memory["used_memory"] / KB_A_MB**2
    held[STORE, KEYS] = await redis.dbsize()
    return held


async def families(redis: Redis) -> Counter[str]:
    """Count the keys of each family; RQ's are one."""
    count = Counter[str]()
    async for key in redis.scan_iter(count=1000):
        family = owner_of(key.decode())
        count[family.name if family else "rq"] += 1
    return count
