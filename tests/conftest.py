"""What every test stands on: a durable server of its own, empty at the start of each test."""

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from os import fsdecode

import httpcore2
import hypothesis
import pytest
from redis.asyncio import Redis

from bridge.local.valkey import EmbeddedValkey
from bridge.store.keys import PREFIX, owner_of
from bridge.verbs.store_losses import StoreLosses
from tests.forked import forking

# By default an example fails that takes 200 ms, which on a busy machine any does now and then.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what starts processes and mostly waits: what computes fits in beside it."""
    items.sort(key=lambda item: item.path.parent.name != "process")


@pytest.fixture(scope="session", autouse=True)
def _authorities() -> Iterator[None]:
    """Load the internet's authorities once: each client does, 20 ms long, and asks loopback."""
    with pytest.MonkeyPatch.context() as patch:
        load = httpcore2.default_ssl_context
        patch.setattr(httpcore2, "default_ssl_context", functools.cache(load))
        yield


class _HastyAsyncio:
    """asyncio as uvicorn finds it while tests run: its pauses are a tenth as long."""

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(delay_s: float) -> None:
        await asyncio.sleep(delay_s / 10)


@pytest.fixture(scope="session", autouse=True)
def _no_pauses_at_the_end_of_servers() -> Iterator[None]:
    """Have servers in this process look ten times as often whether they shall end, and may."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uvicorn.server.asyncio", _HastyAsyncio())
        patch.setattr("bridge.net.serve.LOOK_EVERY_S", 0.01)
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests and fixtures on one asyncio loop for the whole session."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _forks() -> Iterator[None]:
    """Have processes of the bridge forked from one that has loaded it."""
    with forking():
        yield


@pytest.fixture(autouse=True)
def no_word_of_earlier_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each test begin with a store that nobody remembers, for it is emptied before each."""
    monkeypatch.setattr(StoreLosses, "_remembered", lambda _losses: None)


@pytest.fixture(scope="session")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedValkey]:
    """Run one server for this process (with xdist: one for each worker)."""
    async with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
async def redis_url(valkey: EmbeddedValkey) -> AsyncIterator[str]:
    """Return the address of the emptied server; what a test leaves must stand in the table."""
    async with Redis.from_url(valkey.url) as client:
        await client.flushall()
        yield valkey.url
        assert await strays(client) == []


async def strays(client: Redis) -> list[str]:
    """Name the bridge's keys that are of no family, of another type, or have no death date."""
    async with client.pipeline(transaction=False) as asked:
        keys = [fsdecode(key) async for key in client.scan_iter(f"{PREFIX}*", count=1000)]
        for key in keys:
            asked.type(key)
            asked.ttl(key)
        told = await asked.execute()
    types, ttls = map(fsdecode, told[::2]), told[1::2]
    return [fault for fault in map(fault_of, keys, types, ttls) if fault]


def fault_of(key: str, type_: str, ttl_s: int) -> str | None:
    """Report what is wrong with a key, if anything."""
    family = owner_of(key)
    if type_ == "none":
        return None  # it ended its life between two questions
    if family is None:
        return f"{key} stands in no table"
    if family.type != type_:
        return f"{key} is a {type_}, not a {family.type}"
    if family.timed != (ttl_s >= 0):
        return f"{key} lives {ttl_s} s more"
    return None
