"""One address that leads to whoever is the primary, as providers of Redis have it."""

from collections.abc import AsyncIterator

import pytest

from bridge.store import pool, replicas
from tests.proxy import Proxy, proxying
from tests.sentinels import Place, Replicated, Server, replicated
from tests.store.connected import Connected, connecting
from tests.waiting import wait_until

SOON_S = 5.0


@pytest.fixture
async def group(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replicated]:
    folder = tmp_path_factory.mktemp("replicated")
    async with replicated(folder, servers=[Place()] * 3, sentinels=()) as running:
        yield running


@pytest.fixture
async def proxy(group: Replicated) -> AsyncIterator[Proxy]:
    async with proxying(group.servers[0].place.port) as leading:
        yield leading


@pytest.fixture
async def connected(
    group: Replicated, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connected]:
    monkeypatch.setattr(replicas, "WAIT_MS", 200)
    monkeypatch.setattr(pool, "LEAVE_AGAIN_S", 0.5)
    address = proxy.url.removeprefix("http://")
    async with connecting(f"redis://:{group.password}@{address}/0", replicas_min=1) as opened:
        yield opened


async def promote(new: Server) -> None:
    """Have the replica lead, by whoever runs both."""
    await new.ask("REPLICAOF", "NO", "ONE")


async def follow(other: Server, new: Server) -> None:
    """Have another server follow the new primary."""
    host, port = new.address
    await other.ask("REPLICAOF", host, port)


@pytest.mark.parametrize("is_dropped", [True, False], ids=["dropped", "left open"])
async def test_connections_lead_to_the_new_primary_though_its_address_is_the_same(
    group: Replicated, proxy: Proxy, connected: Connected, *, is_dropped: bool
) -> None:
    old, new, third = group.servers
    await wait_until(lambda: connected.works_on(old, "before"), "all are connected")

    await promote(new)
    proxy.lead_to(new.address)
    for other in (third, old):
        await follow(other, new)
    if is_dropped:
        proxy.drop()

    await wait_until(lambda: connected.works_on(new, "after"), "all are connected again", SOON_S)


async def test_an_old_primary_that_does_not_know_it_is_left_because_nobody_follows_it(
    group: Replicated, proxy: Proxy, connected: Connected
) -> None:
    old, new, third = group.servers
    await wait_until(lambda: connected.works_on(old, "before"), "all are connected")

    await promote(new)
    await follow(third, new)
    proxy.lead_to(new.address)

    await wait_until(lambda: connected.works_on(new, "after"), "all are connected again", SOON_S)
    assert (await old.ask("ROLE"))[0] == "master"
