"""The threshold of the MCP endpoint: which server, and who asks."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request

from bridge.errors import NotFoundError
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.exchange import Caller
from bridge.runtime import Runtime


async def authenticate(request: Request) -> tuple[McpEndpoint, Caller]:
    """Find the server that a request is for and prove who asks.

    What the request proves to have been received is on record before it is served, so that the
    same call asked again runs anew.

    Raises:
        NotFoundError: there is no such server.
        UnauthorizedError: the token is missing or wrong.
    """
    runtime: Runtime = request.app.state.runtime
    server = runtime.servers.get(request.path_params["server"])
    if server is None:
        raise NotFoundError("no such server: connect to /mcp/SERVER, as a server file names it")
    wire = request.url.path.split("/")[1]
    authorization = request.headers.get("authorization")
    access = await runtime.authenticator.admit(server, authorization, wire)
    await request.app.state.http_acks.prove(request)
    return request.app.state.endpoints[server.name], Caller(
        runtime,
        access.scope.view(server),
        access.principal,
        access.scope,
        (access.digest, server.name),
        traceparent=request.headers.get("traceparent", ""),
    )


class BackgroundTasks:
    """Work that outlives the request that began it; it ends with the process at the latest."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin a piece of work."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def end(self) -> None:
        """Cancel what still runs and wait for it to end."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
