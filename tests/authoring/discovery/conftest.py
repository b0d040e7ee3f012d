"""An n8n for `discover` to ask: the stand-in, or the real one that the environment names."""

from collections.abc import AsyncIterator

import pytest

from tests.authoring.discovery.any_n8n import N8n, of_real, of_standin


@pytest.fixture
async def n8n() -> AsyncIterator[N8n]:
    async with of_standin() as made:
        yield made


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.real_n8n)])
async def any_n8n(request: pytest.FixtureRequest) -> AsyncIterator[N8n]:
    async with of_standin() if request.param == "stand-in" else of_real() as made:
        yield made
