"""An app on a real port, in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import uvicorn
from starlette.types import ASGIApp

from bridge.app import BridgeApp
from bridge.local.ports import listen
from bridge.net.request_limits import LimitedProtocol
from bridge.net.serve import DrainingServer

START_S = 30.0
DRAIN_S = 0.2


@contextlib.asynccontextmanager
async def serving(app: BridgeApp, port: int = 0) -> AsyncIterator[str]:
    """Serve the bridge's app on a loopback port, by default a free one; returns its address."""
    async with serving_any(app, app.drain, port) as address:
        yield address


@contextlib.asynccontextmanager
async def serving_any(
    app: ASGIApp, on_drain: Callable[[], None] = lambda: None, port: int = 0
) -> AsyncIterator[str]:
    """Serve any app on a loopback port, by default a free one; returns its address."""
    async with running_server(app, on_drain, port) as (_server, address):
        yield address


@contextlib.asynccontextmanager
async def running_server(
    app: ASGIApp, on_drain: Callable[[], None], port: int = 0
) -> AsyncIterator[tuple[DrainingServer, str]]:
    """Serve any app as `serving_any` does; returns the server too."""
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        lifespan="on",
        ws="none",
        log_config=None,
        proxy_headers=False,
    )
    with listen("127.0.0.1", port) as listener:
        server = DrainingServer(config, DRAIN_S, on_drain)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(START_S):
                while not server.started:
                    assert not running.done(), "the app did not start"
                    await asyncio.sleep(0.01)
            yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
