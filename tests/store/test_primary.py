"""Whoever names Sentinels is connected to the primary, whichever server that is now."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from redis.exceptions import RedisError

from bridge.redis_faults import fault_of
from bridge.store.keys import ACKNOWLEDGED_CHANNEL
from bridge.store.pool import RedisConnections, connected_to
from tests.deploy.cloud_redis import cloud_redis
from tests.processes import ROOT
from tests.sentinels import NAME, Replicated, Server, replicated
from tests.store.connected import NAMES, Connected, connecting
from tests.store.resp import bulk, replying
from tests.tls import certified
from tests.waiting import wait_until

SOON_S = 5.0


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Return the loop that processes run on: uvloop has words of its own for what is closed."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
async def group(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replicated]:
    async with replicated(tmp_path_factory.mktemp("replicated")) as running:
        yield running


@pytest.fixture
async def connected(group: Replicated) -> AsyncIterator[Connected]:
    async with connecting(group.url) as opened:
        yield opened


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
    await wait_until(lambda: connected.works_on(new, "after"), "all are connected again", SOON_S)

    await come_back(old)
    await group.settled()
    assert [await old.ask("GET", name) for name in NAMES] == ["after"] * 3


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

    async def why(address: str, *, lasts: bool = True) -> str:
        with connected_to(address) as client, pytest.raises(RedisError) as raised:
            await client.ping()
        assert secret not in str(raised.value)
        assert group.password not in str(raised.value)
        fault = fault_of(raised.value)
        assert fault
        assert fault.lasts == lasts
        return fault.sentence

    own = f"redis+sentinel://:{group.password}@{hosts}"
    assert "know no primary by the name 'other'" in await why(
        f"{own}/other/0?sentinel_password={secret}"
    )
    assert "?sentinel_password=" in await why(f"{own}/{NAME}/0")
    assert "?sentinel_password=" in await why(f"{own}/{NAME}/0?sentinel_password=wrong")
    assert "no Sentinel that BRIDGE_REDIS_URL names answers" in await why(
        f"redis+sentinel://127.0.0.1:1/{NAME}/0", lasts=False
    )
    assert "the password in BRIDGE_REDIS_URL is wrong" in await why(
        f"redis+sentinel://:wrong@{hosts}/{NAME}/0?sentinel_password={secret}"
    )


@pytest.mark.parametrize(
    "answer", [b"+OK\r\n", b"$2\r\n\xff\xfe\r\n", b"*0\r\n", bulk("flags", "ip", "port")]
)
async def test_what_is_no_sentinel_is_passed_over_where_others_are(
    group: Replicated, answer: bytes
) -> None:
    def reply(words: list[str]) -> bytes:
        return answer if words[0] == "SENTINEL" else b"+OK\r\n"

    async with replying(reply) as other:
        host = other.removeprefix("redis://").removesuffix("/0")
        async with connecting(group.url.replace("@", f"@{host},", 1)) as connected:
            await wait_until(lambda: connected.works("now"), "all are connected", SOON_S)


async def test_a_certificate_of_sentinels_that_nobody_trusts_is_named(tmp_path: Path) -> None:
    file, _ = certified(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    async with replying(lambda _words: b"+OK\r\n", context) as sentinel:
        where = f"localhost:{urlsplit(sentinel).port}"
        with connected_to(f"rediss+sentinel://{where}/main/0") as client:
            with pytest.raises(RedisError) as raised:
                await client.ping()
            fault = fault_of(raised.value)
    assert fault
    assert (fault.lasts, "TLS fails" in fault.sentence) == (True, True)


async def test_users_with_few_rights_and_tls_go_with_sentinels_too(tmp_path: Path) -> None:
    async with cloud_redis(tmp_path) as url:
        server, file = urlsplit(url), parse_qs(urlsplit(url).query)["ssl_ca_certs"][0]
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        port, credentials = str(server.port), list[list[str]]()

        def reply(words: list[str]) -> bytes:
            match words:
                case ["AUTH", *given]:
                    credentials.append(given)
                case ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]:
                    return bulk("localhost", port)
                case ["SENTINEL", "MASTER", "main"]:
                    told = ("flags", "master", "config-epoch", "0")
                    return bulk("ip", "localhost", "port", port, *told)
            return b"+OK\r\n"

        async with replying(reply, context) as sentinel:
            where = f"localhost:{urlsplit(sentinel).port}"
            user = server.netloc.rpartition("@")[0]
            own = f"ssl_ca_certs={file}&sentinel_username=looker&sentinel_password=p%40ss"
            connections = RedisConnections(f"rediss+sentinel://{user}@{where}/main/0?{own}")
            async with connections.client as client:
                assert await client.wait(0, 1) == 0
                assert await client.publish(ACKNOWLEDGED_CHANNEL, "") == 0
            with connections.blocking(2) as blocking:
                assert await asyncio.to_thread(blocking.ping)
    assert {tuple(each) for each in credentials} == {("looker", "p@ss")}


async def test_the_user_that_the_docs_give_sentinels_may_do_what_the_bridge_needs(
    group: Replicated,
) -> None:
    (rights,) = re.findall(
        r"^user (looker .+)$", (ROOT / "docs/deploying.md").read_text(), re.MULTILINE
    )
    for sentinel in group.sentinels:
        await sentinel.ask("ACL", "SETUSER", *rights.split())
    own = "sentinel_username=looker&sentinel_password=PASSWORD"

    async with connecting(f"{group.url.partition('?')[0]}?{own}") as connected:
        await wait_until(lambda: connected.works("before"), "all are connected")
        new = await group.fail_over()
        await wait_until(lambda: connected.works_on(new, "after"), "all are there", SOON_S)
    await group.settled()
