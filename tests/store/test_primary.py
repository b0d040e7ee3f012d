"""Whoever names Sentinels is connected to the primary, whichever server that is now."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import redis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.ending import end
from bridge.redis_faults import sentence_of
from bridge.store.keys import WAKE_CHANNEL
from bridge.store.pool import RedisConnections
from bridge.store.round_trips import RoundTrips
from tests.sentinels import NAME, Replicated, Server, replicated
from tests.waiting import wait_until

WITHIN_S = 10.0


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Return the loop that processes run on: uvloop has words of its own for what is closed."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
async def group(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replicated]:
    async with replicated(tmp_path_factory.mktemp("replicated")) as running:
        yield running


@dataclass
class Connected:
    """One of each kind of connection that a process has, all of them open."""

    client: Redis
    kept: RoundTrips
    blocking: redis.Redis
    heard: list[str]

    async def written(self, value: str) -> None:
        """Write by each of them."""
        await self.client.set("by-client", value)
        await self.kept.take([("SET", "kept", value)])
        await asyncio.to_thread(self.blocking.set, "by-thread", value)
        await self.client.publish(WAKE_CHANNEL, value)

    async def works(self, value: str) -> bool:
        """Report whether all of them take a write, and what is published is heard."""
        try:
            await self.written(value)
        except RedisError:
            return False
        return value in self.heard


@pytest.fixture
async def connected(group: Replicated) -> AsyncIterator[Connected]:
    connections, heard = RedisConnections(group.url), list[str]()
    ear = connections.listener()

    async def hear() -> None:
        while True:
            try:
                async with ear.pubsub() as channel:
                    await channel.subscribe(WAKE_CHANNEL)
                    async for message in channel.listen():
                        if message["type"] == "message":
                            heard.append(message["data"].decode())
            except RedisError:
                await asyncio.sleep(0.05)

    client = connections.client
    async with connections.following(), client, ear, RoundTrips(client) as kept:
        hearing = asyncio.create_task(hear())
        with connections.blocking(2) as blocking:
            yield Connected(client, kept, blocking, heard)
        await end(hearing)


async def by_command(group: Replicated, old: Server) -> None:
    await group.sentinels[0].ask("SENTINEL", "FAILOVER", NAME)


async def by_death(group: Replicated, old: Server) -> None:
    await old.kill()


async def by_freezing(group: Replicated, old: Server) -> None:
    old.freeze()


async def come_back(old: Server) -> None:
    if old.is_running:
        old.thaw()
    else:
        await old.start()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("replaced", [by_command, by_death, by_freezing])
async def test_every_connection_of_a_process_leads_to_the_new_primary_soon(
    group: Replicated,
    connected: Connected,
    replaced: Callable[[Replicated, Server], Awaitable[None]],
) -> None:
    await wait_until(lambda: connected.works("before"), "all are connected")
    old = await group.primary()

    await replaced(group, old)
    new = await group.successor_of(old)
    switched_at = time.monotonic()
    await wait_until(lambda: connected.works("after"), "all are connected again", WITHIN_S)
    took_s = time.monotonic() - switched_at

    names = ("by-client", "kept", "by-thread")
    assert [await new.ask("GET", name) for name in names] == ["after"] * 3
    assert took_s < WITHIN_S / 2
    await come_back(old)
    await group.settled()
    assert [await old.ask("GET", name) for name in names] == ["after"] * 3


async def test_a_command_on_a_connection_that_was_just_broken_off_fails_as_any_other(
    connected: Connected,
) -> None:
    pool = connected.client.connection_pool
    connection = await pool.get_connection()  # type: ignore[no-untyped-call]

    async def ping() -> None:
        await connection.send_command("PING")
        await connection.read_response()

    connection.drop()
    with pytest.raises(RedisError):
        await ping()
    await pool.release(connection)


async def test_a_group_that_nobody_can_lead_to_says_why_and_shows_no_password(
    group: Replicated,
) -> None:
    hosts = group.url.partition("@")[2].partition("/")[0]
    secret = group.sentinel_password

    async def why(address: str) -> str:
        async with RedisConnections(address).client as client:
            with pytest.raises(RedisError) as raised:
                await client.ping()
            assert secret not in str(raised.value)
            assert group.password not in str(raised.value)
            return sentence_of(raised.value)

    own = f"redis+sentinel://:{group.password}@{hosts}"
    assert "know no primary by the name 'other'" in await why(
        f"{own}/other/0?sentinel_password={secret}"
    )
    assert "?sentinel_password=" in await why(f"{own}/{NAME}/0")
    assert "?sentinel_password=" in await why(f"{own}/{NAME}/0?sentinel_password=wrong")
    assert "no Sentinel that BRIDGE_REDIS_URL names answers" in await why(
        f"redis+sentinel://127.0.0.1:1/{NAME}/0"
    )
    assert "the password in BRIDGE_REDIS_URL is wrong" in await why(
        f"redis+sentinel://:wrong@{hosts}/{NAME}/0?sentinel_password={secret}"
    )
