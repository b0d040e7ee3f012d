"""What every test stands on: a durable server of its own, empty at the start of each test."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from bridge.valkey import EmbeddedValkey


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests and fixtures on one asyncio loop for the whole session."""
    return "asyncio"


@pytest.fixture(scope="session")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedValkey]:
    """Run one server for this process (with xdist: one for each worker)."""
    async with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
async def redis_url(valkey: EmbeddedValkey) -> str:
    """Give the address of the server, emptied."""
    async with Redis.from_url(valkey.url) as client:
        await client.flushall()
    return valkey.url
