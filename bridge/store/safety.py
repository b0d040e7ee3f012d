"""Whether a Redis can be the store: new enough, open to the bridge, keeping what it is given."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from typing_extensions import override

from bridge.errors import ConfigurationError
from bridge.redis_faults import fault_of, sentence_of
from bridge.store.steps import Steps, step

logger = logging.getLogger(__name__)

START_S = 30.0
PAUSE_S = 0.2

LEAST_MAJOR = {"redis": 7, "valkey": 8}
"""The oldest versions, by the name that `HELLO` gives."""


@dataclass(frozen=True)
class Risk:
    """One way in which a Redis loses data, or may: a fault stops the start, the others are told."""

    about: Literal["version", "configuration", "persistence", "eviction", "flushing"]
    sentence: str
    mend: str
    is_fault: bool = False

    @override
    def __str__(self) -> str:
        """Return it as starts say it."""
        return f"{self.sentence}: {self.mend}"


UNREADABLE = Risk(
    "configuration",
    "Redis does not let its configuration be read",
    "see to it that it has an append-only file and the policy noeviction",
)


@step("probe.write")
async def _write(steps: Steps) -> None:
    """Write and wake as steps do, and change nothing."""


async def demand_safety(
    redis: Redis, *, allow_unsafe: bool, on_wait: Callable[[str], None] = lambda _why: None
) -> None:
    """Refuse to start on a Redis that loses what was accepted, unless that is wanted.

    One that starts only now is waited for; `on_wait` is told why.

    Raises:
        ConfigurationError: naming what makes it lose data, or why it takes nothing.
    """
    faults, warnings = await _wait_for(redis, on_wait)
    for warning in (*warnings, *(faults if allow_unsafe else ())):
        logger.warning("redis.unsafe", extra={"warning": warning})
    if faults and not allow_unsafe:
        raise ConfigurationError(tuple(faults))


async def _wait_for(redis: Redis, on_wait: Callable[[str], None]) -> tuple[list[str], list[str]]:
    """Ask Redis how safe it is, until it says so or cannot mend by itself."""
    ends_at = asyncio.get_running_loop().time() + START_S
    said = ""
    while True:
        try:
            found = await faults_of(redis)
            await redis.eval(_write.script.text, 0)
        except (RedisError, OSError) as error:
            fault, why = fault_of(error), sentence_of(error)
            if fault is None or fault.lasts or asyncio.get_running_loop().time() > ends_at:
                raise ConfigurationError((why,)) from error
            if why != said:
                logger.warning("redis.away", extra={"reason": why})
                on_wait(why)
                said = why
        else:
            return found
        await asyncio.sleep(PAUSE_S)


async def faults_of(redis: Redis) -> tuple[list[str], list[str]]:
    """Name what makes this Redis lose data, and what may; a forbidden CONFIG leaves it unknown."""
    risks = await risks_of(redis)
    faults = [str(risk) for risk in risks if risk.is_fault]
    return faults, [str(risk) for risk in risks if not risk.is_fault]


async def risks_of(redis: Redis) -> list[Risk]:
    """Find what makes this Redis lose data, or may; nothing is written."""
    risks = [old] if (old := await _old_age(redis)) else []
    try:
        # One by one: before version 7 several names at once were an error.
        config = {
            name: (await redis.config_get(name)).get(name)
            for name in ("appendonly", "appendfsync", "maxmemory-policy")
        }
    except ResponseError as error:
        if fault_of(error) and not isinstance(error, NoPermissionError):
            raise
        return [*risks, UNREADABLE]
    return [*risks, *_risks_in(config)]


async def _old_age(redis: Redis) -> Risk | None:
    """Name the fault of a Redis that lacks what the bridge needs."""
    try:
        told: Any = await redis.execute_command("HELLO")  # type: ignore[no-untyped-call]
    except NoPermissionError:
        return None
    except ResponseError as error:
        if fault_of(error):
            raise
        told = {}
    # In RESP2 the answer is a flat list.
    if isinstance(told, list):
        told = dict(zip(told[::2], told[1::2], strict=False))
    server, version = (_text(told.get(key, b"")) for key in (b"server", b"version"))
    major = int(version.partition(".")[0] or 0)
    if major >= LEAST_MAJOR.get(server, LEAST_MAJOR["redis"]):
        return None
    return Risk(
        "version",
        f"{server or 'redis'} {version or 'before 6'} is too old",
        "the bridge needs Redis 7 or later, or Valkey 8 or later",
        is_fault=True,
    )


def _risks_in(config: Mapping[str, str | None]) -> Iterator[Risk]:
    if config["appendonly"] == "no":
        yield Risk(
            "persistence",
            "Redis keeps no append-only file, so a restart loses what was accepted",
            "set `appendonly yes`, or BRIDGE_ALLOW_UNSAFE_REDIS=1",
            is_fault=True,
        )
    policy = config["maxmemory-policy"] or "noeviction"
    if policy != "noeviction":
        yield Risk(
            "eviction",
            f"Redis may evict what was accepted (maxmemory-policy {policy})",
            "set `noeviction`, or BRIDGE_ALLOW_UNSAFE_REDIS=1",
            is_fault=True,
        )
    if config["appendonly"] is None:
        yield Risk(
            "persistence",
            "Redis does not say whether it keeps an append-only file",
            "see to it that it does",
        )
    if config["appendfsync"] not in (None, "always"):
        yield Risk(
            "flushing",
            "Redis answers before its append-only file is on disk, so a power cut may lose the "
            "last second",
            "set `appendfsync always`",
        )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
