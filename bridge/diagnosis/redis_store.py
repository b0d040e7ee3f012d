"""Redis: whether it answers, keeps what it is given, has room, and is near."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

from redis.exceptions import NoPermissionError, RedisError

from bridge.configuration.settings import Settings
from bridge.diagnosis.observations import (
    Observation,
    doubtful,
    passed_over,
    right,
    wrong,
)
from bridge.redis_faults import sentence_of
from bridge.store.pool import connected_to
from bridge.store.safety import Risk, risks_of
from bridge.store.vitals import Vitals, vitals_of

PING_MS = 20.0
"""A call takes some ten round trips; 20 ms each are noticed."""
CLOCK_S = 2.0
FILLING, FULL = 0.8, 0.95
MIB = 2**20

REACH = "start it, or mend BRIDGE_REDIS_URL"


async def check_redis(url: str, settings: Settings) -> AsyncIterator[Observation]:
    """Look at the store at an address, that of the settings or of `up`; nothing is written."""
    subject = without_user(url) if settings.redis_url else "the Valkey of `up`"
    try:
        with connected_to(url) as redis:
            for risk in (risks := await risks_of(redis, settings.replicas_min)):
                yield _of_risk(subject, risk, is_allowed=settings.allow_unsafe_redis)
            if not risks:
                yield right("redis.safety", subject, "it has each write on disk and evicts nothing")
            vitals = await vitals_of(redis)
            for seen in judged(subject, vitals):
                yield seen
            for seen in followers(subject, vitals.replicas, settings.replicas_min):
                yield seen
    except NoPermissionError:
        yield passed_over(
            "redis.vitals", subject, "it does not let its state be read", "allow INFO and TIME"
        )
    except (RedisError, OSError) as error:
        if settings.redis_url is None:
            yield passed_over("redis.down", subject, "it does not run now")
        else:
            yield wrong("redis.unreachable", subject, sentence_of(error), REACH)


def without_user(url: str) -> str:
    """Return an address without the user and the password in it, and without options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def judged(subject: str, seen: Vitals) -> Iterator[Observation]:
    """Judge what a Redis says of itself."""
    if seen.is_primary:
        yield right("redis", subject, f"{seen.server} {seen.version} answers")
    else:
        yield wrong(
            "redis.replica", subject, "it is a replica and takes no writes", "name its primary"
        )
    yield _memory(subject, seen)
    said = f"half of its answers take less than {seen.ping_ms:.2g} ms"
    if seen.ping_ms <= PING_MS:
        yield right("redis.latency", subject, said)
    else:
        yield doubtful("redis.latency", subject, f"it is slow: {said}", "run the bridge near it")
    if abs(seen.ahead_s) <= CLOCK_S:
        yield right("redis.clock", subject, "its clock and this machine's agree")
    else:
        way = "ahead of" if seen.ahead_s > 0 else "behind"
        yield doubtful(
            "redis.clock",
            subject,
            f"its clock is {abs(seen.ahead_s):.0f} s {way} this machine's",
            "keep both by NTP: leases count by Redis's clock, signatures by this machine's",
        )


def followers(subject: str, count: int, least: int) -> Iterator[Observation]:
    """Judge how many replicas follow, where any do or are wanted; more are a risk of the store."""
    wanted = f"BRIDGE_REPLICAS_MIN={least}"
    if count < least:
        yield wrong(
            "redis.replicas",
            subject,
            f"{count} of its replicas follow, so that nothing is taken ({wanted})",
            "start the others, or lower BRIDGE_REPLICAS_MIN in every process",
        )
    elif count and not least:
        yield doubtful(
            "redis.replicas",
            subject,
            "replicas follow, and a failover loses what they have not got yet, though it was "
            f"answered ({wanted})",
            f"set BRIDGE_REPLICAS_MIN={count}; then one that is away stops the intake",
        )
    elif count == least > 0:
        yield right("redis.replicas", subject, f"each write is on {count} of {count} replicas")


def _memory(subject: str, seen: Vitals) -> Observation:
    if not seen.max_bytes:
        return right("redis.memory", subject, f"{_mib(seen.used_bytes)} are used, without a limit")
    share = seen.used_bytes / seen.max_bytes
    said = f"{share:.0%} of its {_mib(seen.max_bytes)} (maxmemory) are used"
    remedy = "raise maxmemory, or shorten BRIDGE_RESULT_TTL_S and BRIDGE_EVENT_TTL_S"
    if share >= FULL:
        return wrong("redis.memory", subject, f"it is full: {said}", remedy)
    if share >= FILLING:
        return doubtful("redis.memory", subject, f"it fills up: {said}", remedy)
    return right("redis.memory", subject, said)


def _of_risk(subject: str, risk: Risk, *, is_allowed: bool) -> Observation:
    say = wrong if risk.is_fault and not is_allowed else doubtful
    return say(f"redis.{risk.about}", subject, risk.sentence, risk.mend)


def _mib(count: int) -> str:
    return f"{count / MIB:.1f} MiB"
