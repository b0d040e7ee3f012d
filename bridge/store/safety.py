"""Whether a Redis keeps what it is given: an append-only file, and nothing evicted."""

from redis.asyncio import Redis
from redis.exceptions import ResponseError


async def faults_of(redis: Redis) -> tuple[list[str], list[str]]:
    """Name what makes this Redis lose data, and what may; a forbidden CONFIG leaves it unknown."""
    try:
        config = await redis.config_get("appendonly", "appendfsync", "maxmemory-policy")
    except ResponseError:
        return [], [
            "Redis does not let its configuration be read: see to it that it has an "
            "append-only file and the policy noeviction"
        ]
    faults, warnings = [], []
    if config.get("appendonly") != "yes":
        faults.append(
            "Redis keeps no append-only file, so a restart loses what was accepted: "
            "set `appendonly yes`, or BRIDGE_ALLOW_UNSAFE_REDIS=1"
        )
    policy = config.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        faults.append(
            f"Redis may evict what was accepted (maxmemory-policy {policy}): "
            "set `noeviction`, or BRIDGE_ALLOW_UNSAFE_REDIS=1"
        )
    if config.get("appendfsync") not in (None, "always"):
        warnings.append(
            "Redis answers before its append-only file is on disk: a power cut may lose "
            "the last second; set `appendfsync always`"
        )
    return faults, warnings
