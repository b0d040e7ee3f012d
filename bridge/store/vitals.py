"""What a Redis says of itself when it is looked at: read in a moment, and nothing is written."""

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from redis.asyncio import Redis

PINGS = 20


@dataclass(frozen=True)
class Vitals:
    """One look at a Redis; `ahead_s` is its clock against this machine's, `max_bytes` 0: no limit.

    `ping_ms` is the median of some there and back.
    """

    server: str
    version: str
    is_primary: bool
    replicas: int
    used_bytes: int
    max_bytes: int
    ping_ms: float
    ahead_s: float


async def vitals_of(redis: Redis) -> Vitals:
    """Look at a Redis.

    Raises:
        RedisError: it does not answer, or does not let itself be looked at.
    """
    info: dict[str, Any] = await redis.info()
    pings = []
    for _ in range(PINGS):
        sent_at = time.perf_counter()
        await redis.ping()
        pings.append(time.perf_counter() - sent_at)
    before = time.time()
    seconds, microseconds = await redis.time()
    here = (before + time.time()) / 2
    return Vitals(
        "Valkey" if "valkey_version" in info else "Redis",
        str(info.get("valkey_version") or info.get("redis_version", "")),
        info.get("role", "master") == "master",
        int(info.get("connected_slaves", 0)),
        int(info.get("used_memory", 0)),
        int(info.get("maxmemory", 0)),
        median(pings) * 1000,
        int(seconds) + int(microseconds) / 1e6 - here,
    )
