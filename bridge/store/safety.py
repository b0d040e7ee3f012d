"""Whether a Redis can be the store: new enough, open to the bridge, keeping what it is given."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from typing_extensions import override

from bridge.configuration.settings import Settings
from bridge.errors import ConfigurationError
from bridge.redis_faults import RedisFault, fault_of, sentence_of
from bridge.store.replicas import Replicas
from bridge.store.steps import Steps, step

logger = logging.getLogger(__name__)

START_S = 30.0
MIN_REPLICAS = "min-replicas-to-write"
PAUSE_S = 0.2

LEAST_MAJOR = {"redis": 7, "valkey": 8}
"""The oldest versions, by the name that `HELLO` gives."""


@dataclass(frozen=True)
class Risk:
    """One way in which a Redis loses data, or may: a fault stops the start, the others are told."""

    about: Literal["version", "configuration", "persistence", "eviction", "flushing", "replicas"]
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
    redis: Redis, settings: Settings, on_wait: Callable[[str], None] = lambda _why: None
) -> None:
    """Refuse to start on a Redis that loses what was accepted, unless that is wanted.

    One that starts only now, or whose replicas do, is waited for; `on_wait` is told why.

    Raises:
        ConfigurationError: naming what makes it lose data, or why it takes nothing.
    """
    faults, warnings = await _wait_for(redis, settings.replicas_min, on_wait)
    for warning in (*warnings, *(faults if settings.allow_unsafe_redis else ())):
        logger.warning("redis.unsafe", extra={"warning": warning})
    if faults and not settings.allow_unsafe_redis:
        raise ConfigurationError(tuple(faults))


async def _wait_for(
    redis: Redis, replicas_min: int, on_wait: Callable[[str], None]
) -> tuple[list[str], list[str]]:
    """Ask Redis how safe it is, until it says so or cannot mend by itself."""
    ends_at = asyncio.get_running_loop().time() + START_S
    said = ""
    while True:
        try:
            found = await faults_of(redis, replicas_min)
            fault = await _try_write(redis, replicas_min)
            if fault is None:
                return found
            why = fault.sentence
        except (RedisError, OSError) as error:
            fault, why = fault_of(error), sentence_of(error)
        if fault is None or fault.lasts or asyncio.get_running_loop().time() > ends_at:
            raise ConfigurationError((why,))
        if why != said:
            logger.warning("redis.away", extra={"reason": why})
            on_wait(why)
            said = why
        await asyncio.sleep(PAUSE_S)


async def _try_write(redis: Redis, replicas_min: int) -> RedisFault | None:
    """Write as steps do; report what is wrong with the replicas, if anything.

    Raises:
        RedisError: Redis does not take it.
    """
    replicas = Replicas(replicas_min)
    waiting = replicas.commands([_write.script]) if replicas_min else ()
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.eval(_write.script.text, 0)
        for command in waiting:
            pipeline.execute_command(*command)
        answers = await pipeline.execute(raise_on_error=False)
    if isinstance(answers[0], RedisError):
        raise answers[0]
    return replicas.fault_in(answers[-1]) if waiting else None


async def faults_of(redis: Redis, replicas_min: int) -> tuple[list[str], list[str]]:
    """Name what makes this Redis lose data, and what may; a forbidden CONFIG leaves it unknown."""
    risks = await risks_of(redis, replicas_min)
    faults = [str(risk) for risk in risks if risk.is_fault]
    return faults, [str(risk) for risk in risks if not risk.is_fault]


async def risks_of(redis: Redis, replicas_min: int) -> list[Risk]:
    """Find what makes this Redis lose data, or may; nothing is written.

    `replicas_min` is how many replicas are to have what was accepted.
    """
    names = ["appendonly", "appendfsync", "maxmemory-policy"]
    risks = [old] if (old := await _old_age(redis)) else []
    if replicas_min:
        names.append(MIN_REPLICAS)
        risks += await _surplus(redis, replicas_min)
    try:
        # One by one: before version 7 several names at once were an error.
        config = {name: (await redis.config_get(name)).get(name) for name in names}
    except ResponseError as error:
        if fault_of(error) and not isinstance(error, NoPermissionError):
            raise
        return [*risks, UNREADABLE]
    return [*risks, *_risks_in(config), *_unfenced(config, replicas_min)]


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


async def _surplus(redis: Redis, replicas_min: int) -> list[Risk]:
    """Name the risk of more replicas than are waited for, where Redis tells of them."""
    try:
        count = int((await redis.info("replication")).get("connected_slaves", 0))
    except NoPermissionError:
        return []
    if count <= replicas_min:
        return []
    return [
        Risk(
            "replicas",
            f"{count} replicas follow, and a failover to one that has not acknowledged loses what "
            f"was answered, or runs it again (BRIDGE_REPLICAS_MIN={replicas_min})",
            f"set BRIDGE_REPLICAS_MIN={count} for every process",
        )
    ]


def _unfenced(config: Mapping[str, str | None], replicas_min: int) -> Iterator[Risk]:
    if (wanted := config.get(MIN_REPLICAS)) is not None and int(wanted) < replicas_min:
        yield Risk(
            "replicas",
            "a primary that was replaced and does not know it goes on writing, though nothing is "
            f"promised of it ({MIN_REPLICAS} {wanted})",
            f"set `{MIN_REPLICAS} {replicas_min}` and `min-replicas-max-lag 10` on every server",
        )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
