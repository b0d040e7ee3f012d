"""What tests of `discover` run it on: the stand-in, or a real n8n, and a file."""

import copy
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.configuration.server_files import read_server_files
from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from tests.commands import run
from tests.standin.published import published_in, workflows

KEY = "a-key-of-n8ns-api"
SECRETS = {
    "N8N_INVOICE_KEY": "a-long-enough-secret-1",
    "N8N_CRM_LOGIN_USER": "crm",
    "N8N_CRM_LOGIN": "a-long-enough-secret-2",
}


@dataclass
class N8n:
    """An n8n with published workflows; those of a stand-in can be changed."""

    environ: dict[str, str]
    standin: Standin | None = None

    @property
    def published(self) -> list[Any]:
        assert self.standin is not None, "a real n8n is not changed"
        return self.standin.published


@asynccontextmanager
async def of_standin() -> AsyncIterator[N8n]:
    standin = Standin(api_key=KEY, published=copy.deepcopy(workflows()))
    async with standin, serving(standin) as url:
        yield N8n({"BRIDGE_N8N_URL": url, "BRIDGE_N8N_API_KEY": KEY}, standin)


@asynccontextmanager
async def of_real() -> AsyncIterator[N8n]:
    url = os.environ.get("BRIDGE_TEST_N8N_URL", "")
    key = os.environ.get("BRIDGE_TEST_N8N_API_KEY", "")
    if not url or not key:
        pytest.skip("BRIDGE_TEST_N8N_URL and BRIDGE_TEST_N8N_API_KEY name no n8n")
    async with published_in(url, key, workflows()):
        yield N8n({"BRIDGE_N8N_URL": url, "BRIDGE_N8N_API_KEY": key})


async def discover(n8n: N8n, file: Path, *options: str) -> tuple[int, str]:
    return await run("discover", "--file", str(file), *options, environ=n8n.environ)


def read(file: Path) -> dict[str, Any]:
    environ = {**SECRETS, **api(), "BRIDGE_N8N_URL": "http://127.0.0.1:5678"}
    return dict(read_server_files(file, environ).servers["n8n"].workflows)


def api() -> dict[str, str]:
    return {"BRIDGE_N8N_API_KEY": KEY}
