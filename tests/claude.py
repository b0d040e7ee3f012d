"""Claude as the bridge meets it: the official client, on each wire, at one address or at many."""

import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import httpx2
from anyio import BrokenResourceError
from mcp.client import Client
from mcp.client._transport import Transport, TransportStreams
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)
from typing_extensions import override

from bridge.client.mcp_client import closing, sentence
from bridge.testing.clients import use

__all__ = ["Spread", "claude", "closing", "modern_request", "sentence", "use"]

Wire = Literal["2026-07-28", "legacy", "sse"]
WIRES: tuple[Wire, ...] = ("2026-07-28", "legacy", "sse")

TIMEOUT_S = 120.0
UNLIMITED = httpx2.Limits(max_connections=None, max_keepalive_connections=None)


class Spread(httpx2.AsyncBaseTransport):
    """Sends each request to the next of several origins, as a balancer without affinity does."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._turns = itertools.cycle(httpx2.URL(origin) for origin in origins)
        self._inner = httpx2.AsyncHTTPTransport(limits=UNLIMITED)
        self.sent: Counter[str] = Counter()

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        origin = next(self._turns)
        self.sent[str(origin)] += 1
        request.url = request.url.copy_with(host=origin.host, port=origin.port)
        return await self._inner.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


@contextlib.asynccontextmanager
async def leaving_quietly(transport: Transport) -> AsyncIterator[TransportStreams]:
    """Open a transport of HTTP+SSE, whose reader fails where a message comes while it is left."""
    is_left = False
    try:
        async with transport as streams:
            yield streams
            is_left = True
    except* BrokenResourceError:
        if not is_left:
            raise


@contextlib.asynccontextmanager
async def claude(
    server: str, token: str, wire: Wire, spread: Spread, origin: str
) -> AsyncIterator[Client]:
    """Connect to a server of the bridge; `origin` is the address that the client believes in."""
    http = httpx2.AsyncClient(
        transport=spread, headers={"authorization": f"Bearer {token}"}, timeout=TIMEOUT_S
    )

    def ready_made(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        return http

    if wire == "sse":
        piped = sse_client(f"{origin}/sse/{server}", httpx_client_factory=ready_made)
        transport = leaving_quietly(piped)
    else:
        streamable = streamable_http_client(f"{origin}/mcp/{server}", http_client=http)
        transport = closing(http, streamable)
    mode = "legacy" if wire == "sse" else wire
    async with Client(transport, mode=mode, read_timeout_seconds=TIMEOUT_S) as client:
        yield client


def modern_request(
    origin: str, server: str, token: str, method: str, **params: Any
) -> httpx2.Request:
    """Write one request of the 2026 wire, for when no client shall recover from what happens."""
    version = "2026-07-28"
    meta = {
        PROTOCOL_VERSION_META_KEY: version,
        CLIENT_INFO_META_KEY: {"name": "proof", "version": "1"},
        CLIENT_CAPABILITIES_META_KEY: {},
    }
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": version,
        "mcp-method": method,
    }
    if "name" in params:
        headers["mcp-name"] = params["name"]
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    return httpx2.Request("POST", f"{origin}/mcp/{server}", json=message, headers=headers)
