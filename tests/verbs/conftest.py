"""Two processes of one bridge."""

from collections.abc import AsyncIterator

import pytest

from bridge.configuration.settings import Settings
from bridge.runtime import Runtime, open_runtime
from tests.verbs.desk import DESK, N8N


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return Settings(redis_url=redis_url, n8n_url=N8N, reply_retry_s=1000)


@pytest.fixture
async def web(settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings, {DESK.name: DESK}, "web", 60) as runtime:
        yield runtime


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings, {DESK.name: DESK}, "worker", 60) as runtime:
        yield runtime
