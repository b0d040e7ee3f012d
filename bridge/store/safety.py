"""Whether a Redis keeps what it is given: an append-only file, and nothing evicted."""

import asyncio
import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from bridge.errors import ConfigurationError

logger = logging.getLogger(__name__)

START_S = 30.0
PAUSE_S = 0.2


async def demand_safety(redis: Redis, *, allow_unsafe: bool) -> None:
    """Refuse to start on a Redis that loses what was accepted, unless that is wanted.

    Raises:
        ConfigurationError: naming what makes it lose data, or that it does not answer.
    """
    faults, warnings = await _wait_for(redis)
    for warning in (*warnings, *(faults if allow_unsafe else ())):
        logger.warning("redis.unsafe", extra={"warning": warning})
    if faults and not allow_unsafe:
        raise ConfigurationError(tuple(faults))


async def _wait_for(redis: Redis) -> tuple[list[str], list[str]]:
    """Ask Redis how safe it is; one that starts only now is waited for."""
    ends_at = asyncio.get_running_loop().time() + START_S
    while True:
        try:
            return await faults_of(redis)
        except (RedisError, OSError) as error:
            if asyncio.get_running_loop().time() > ends_at:
                fault = f"the Redis at BRIDGE_REDIS_URL does not answer: {error}"
                raise ConfigurationError((fault,)) from error
        await asyncio.sleep(PAUSE_S)


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
