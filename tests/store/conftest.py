"""Two processes on one Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.store.records import WEB, WORKER, Desk, desk


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def web(redis: Redis) -> AsyncIterator[Desk]:
    async with desk(redis, WEB) as opened:
        yield opened


@pytest.fixture
async def worker(redis: Redis) -> AsyncIterator[Desk]:
    async with desk(redis, WORKER) as opened:
        yield opened
