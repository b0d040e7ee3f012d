"""Serves a stand-in on a port, from inside another program's event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from typing_extensions import override

from bridge.local.ports import listen
from bridge.standin.app import create_app
from bridge.standin.protocol import BreakableProtocol
from bridge.standin.standin import Standin

N8N_KEEPS_IDLE_S = 5


@asynccontextmanager
async def serving(standin: Standin, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve a stand-in and give its base address; at the end open connections are broken.

    A stand-in can be served again, on the port it had, as n8n after a restart.
    """
    listener = listen(host, port)
    config = uvicorn.Config(
        create_app(standin),
        http=BreakableProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=N8N_KEEPS_IDLE_S,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        standin.stop_runs()
        server.should_exit = server.force_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await task


class _Server(uvicorn.Server):
    """A server that leaves signals to the program it lives in."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
