"""What kind of Redis a bridge starts on, and what it says of one that it does not."""

import pytest
from redis.asyncio import Redis

from bridge.configuration.settings import Settings
from bridge.errors import ConfigurationError
from bridge.store import safety
from bridge.store.safety import demand_safety
from tests.store.resp import Reply, bulk, replying

SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
FORBIDDEN = b"-NOPERM this user has no permissions to run the 'config|get' command\r\n"


def redis_of(version: str, server: str = "redis", config: dict[str, str] | None = None) -> Reply:
    """Answer as such a server does to what the bridge asks while it starts."""

    def reply(words: list[str]) -> bytes:
        match words:
            case ["HELLO", *_] if version < "6":
                return b"-ERR unknown command `HELLO`, with args beginning with: \r\n"
            case ["HELLO", *_]:
                return bulk("server", server, "version", version)
            case ["CONFIG GET", *_] | ["CONFIG", "GET", _, _, *_]:
                # Before 7 several names at once were an error.
                return b"-ERR Unknown subcommand or wrong number of arguments for 'GET'\r\n"
            case ["CONFIG", "GET", name] if config is not None:
                return bulk(*((name, config[name]) if name in config else ()))
            case ["CONFIG", *_]:
                return FORBIDDEN
        return bulk()

    return reply


async def faults(reply: Reply, *, allow_unsafe: bool = False, replicas_min: int = 0) -> str:
    """Start on such a Redis; returns what keeps the bridge from that, a line each."""
    settings = Settings(allow_unsafe_redis=allow_unsafe, replicas_min=replicas_min)
    async with replying(reply) as url, Redis.from_url(url, protocol=2) as redis:
        try:
            await demand_safety(redis, settings)
        except ConfigurationError as error:
            return str(error)
    return ""


@pytest.mark.parametrize(
    ("server", "version"), [("redis", "7.0.15"), ("redis", "8.2.1"), ("valkey", "8.0.0")]
)
async def test_the_bridge_starts_on_a_new_enough_redis(
    server: str, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await faults(redis_of(version, server, SAFE)) == ""
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("server", "version"),
    [("redis", "6.2.14"), ("redis", "6.0.20"), ("redis", "5.0.14"), ("valkey", "7.2.5")],
)
async def test_an_older_one_stops_the_start_unless_that_is_wanted(
    server: str, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    old = redis_of(version, server, SAFE)

    assert "is too old: the bridge needs Redis 7 or later, or Valkey 8" in await faults(old)
    assert await faults(old, allow_unsafe=True) == ""
    assert caplog.messages == ["redis.unsafe"]


@pytest.mark.parametrize(
    ("differs", "fault"),
    [({"appendonly": "no"}, "no append-only file"), ({"maxmemory-policy": "allkeys-lru"}, "evict")],
)
async def test_each_setting_is_asked_for_alone_so_an_old_redis_names_all_that_is_wrong_with_it(
    differs: dict[str, str], fault: str
) -> None:
    said = await faults(redis_of("6.2.14", config=SAFE | differs))

    assert "is too old" in said
    assert fault in said


@pytest.mark.parametrize(
    ("config", "warning"),
    [
        (None, "does not let its configuration be read"),
        (SAFE | {"appendfsync": "everysec"}, "the last second"),
        ({"maxmemory-policy": "noeviction"}, "does not say whether it keeps an append-only file"),
    ],
    ids=["forbidden", "everysec", "unknown"],
)
async def test_what_may_be_unsafe_or_is_unknown_is_warned_of(
    config: dict[str, str] | None, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await faults(redis_of("7.2.0", config=config)) == ""
    (record,) = caplog.records
    assert warning in str(getattr(record, "warning", ""))


def replicated(acknowledged: int, followers: int = 1, own_least: int = 0) -> Reply:
    """Answer as a primary does that so many replicas follow."""
    rest = redis_of("7.2.0", config=SAFE | {"min-replicas-to-write": f"{own_least}"})
    told = f"role:master\r\nconnected_slaves:{followers}\r\n"

    def reply(words: list[str]) -> bytes:
        match words:
            case ["WAIT", *_]:
                return f":{acknowledged}\r\n".encode()
            case ["INFO", "replication"]:
                return f"${len(told)}\r\n{told}\r\n".encode()
        return rest(words)

    return reply


@pytest.mark.parametrize(
    ("primary", "warning"),
    [
        (replicated(1), "set `min-replicas-to-write 1`"),
        (replicated(1, followers=2, own_least=1), "set BRIDGE_REPLICAS_MIN=2"),
    ],
    ids=["writes without them", "more follow"],
)
async def test_a_primary_that_could_break_what_was_promised_at_a_failover_is_warned_of(
    primary: Reply, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await faults(primary) == ""
    assert caplog.records == []
    assert await faults(primary, replicas_min=1) == ""
    (record,) = caplog.records
    assert warning in str(getattr(record, "warning", ""))


async def test_replicas_that_do_not_acknowledge_are_waited_for_at_a_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(safety, "START_S", 0.1)

    primary = replicated(1, followers=2, own_least=2)
    assert "fewer replicas than BRIDGE_REPLICAS_MIN=2" in await faults(primary, replicas_min=2)


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        (b"-WRONGPASS invalid username-password pair or user is disabled.", "password"),
        (b"-NOAUTH Authentication required.", "wants a password"),
        (b"-DENIED Redis is running in protected mode because", "protected mode"),
        (b"-NOPERM User web has no permissions to run the 'evalsha' command", "rights"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.", "full"),
        (b"-MISCONF Redis is configured to save RDB snapshots, but", "save to its disk"),
        (b"-MOVED 866 10.0.0.3:6379", "single primary"),
        (b"HTTP/1.1 400 Bad Request", "is no Redis"),
    ],
    ids=lambda text: text[1:9] if isinstance(text, bytes) else "",
)
async def test_a_redis_that_will_not_take_anything_stops_the_start_at_once_with_the_reason(
    refusal: bytes, why: str
) -> None:
    assert why in await faults(lambda _words: refusal + b"\r\n")


async def test_a_redis_that_loads_or_fails_over_is_waited_for_and_the_start_says_for_what(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ready = redis_of("7.2.0", config=SAFE)
    refusals = [b"-LOADING Redis is loading the dataset in memory\r\n"] * 3
    refusals += [b"-READONLY You can't write against a read only replica.\r\n"] * 2
    said: list[str] = []
    monkeypatch.setattr(safety, "PAUSE_S", 0.01)

    def reply(words: list[str]) -> bytes:
        is_asked = words[0] == "CONFIG"
        return refusals.pop(0) if is_asked and refusals else ready(words)

    async with replying(reply) as url, Redis.from_url(url, protocol=2) as redis:
        await demand_safety(redis, Settings(), said.append)

    assert [why.partition(":")[2] for why in said] == [
        " Redis is loading its data",
        " this Redis is a replica, so BRIDGE_REDIS_URL must lead to the primary",
    ]
    assert caplog.messages == ["redis.away", "redis.away"]


async def test_a_redis_that_stays_unready_stops_the_start_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(safety, "START_S", 0.1)

    assert "loading its data" in await faults(lambda _words: b"-LOADING it\r\n")
