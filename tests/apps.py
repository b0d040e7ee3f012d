"""The web app in this process, without a port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from bridge.app import BridgeApp
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.runtime import Runtime
from bridge.verbs.takers import Presence

BASE = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class RunningApp:
    """An app between its start-up and its shutdown, and a client of it."""

    app: BridgeApp
    client: httpx2.AsyncClient

    @property
    def runtime(self) -> Runtime:
        """What its doors work with."""
        runtime: Runtime = self.app.runtime
        return runtime


@asynccontextmanager
async def running_app(
    redis_url: str, *servers: Server, base_url: str = BASE, **settings: Any
) -> AsyncIterator[RunningApp]:
    """Run the app of these servers while the block lasts."""
    app = BridgeApp(
        Settings(redis_url=redis_url, **settings), {server.name: server for server in servers}
    )
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=base_url) as client,
    ):
        yield RunningApp(app, client)


async def _always() -> bool:
    return True


there = Presence(_always)
"""A taker that does not leave."""
