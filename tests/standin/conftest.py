"""A stand-in and, where one is named, a real n8n.

The real one must run the workflows that the stand-in plays; BRIDGE_TEST_N8N_URL names it, and
BRIDGE_TEST_N8N_API_KEY lets its executions be compared too.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from tests.standin.real import N8n


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.real_n8n)])
async def n8n(request: pytest.FixtureRequest) -> AsyncIterator[N8n]:
    real_key = os.environ.get("BRIDGE_TEST_N8N_API_KEY", "")
    async with (
        _opened(request.param) as url,
        httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as http,
    ):
        yield N8n(http, real_key if request.param == "real" else "any")


@asynccontextmanager
async def _opened(which: str) -> AsyncIterator[str]:
    if which == "stand-in":
        async with Standin(retry_pause_s=0.01) as standin, serving(standin) as url:
            yield url
    elif url := os.environ.get("BRIDGE_TEST_N8N_URL", ""):
        yield url
    else:
        pytest.skip("BRIDGE_TEST_N8N_URL names no n8n")
