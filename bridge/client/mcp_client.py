"""An MCP client that is connected to one server of a bridge."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from bridge.configuration.servers import Server

T = TypeVar("T")

TIMEOUT_S = 120.0


@contextlib.asynccontextmanager
async def connected(
    address: str, token: str, timeout_s: float = TIMEOUT_S
) -> AsyncIterator[Client]:
    """Connect to a server of a bridge, by its address."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    trust = httpx2.create_ssl_context()  # of SSL_CERT_FILE too
    http = httpx2.AsyncClient(headers=headers, timeout=timeout_s, trust_env=False, verify=trust)
    transport = closing(http, streamable_http_client(address, http_client=http))
    async with Client(transport, read_timeout_seconds=timeout_s) as client:
        yield client


def connected_to(base: str, server: Server) -> AbstractAsyncContextManager[Client]:
    """Connect to a server of the bridge at `base`, by the first token of its file."""
    token = server.tokens[0].value.get_secret_value() if server.tokens else ""
    return connected(f"{base}/mcp/{server.name}", token)


@contextlib.asynccontextmanager
async def closing(
    http: httpx2.AsyncClient, transport: AbstractAsyncContextManager[T]
) -> AsyncIterator[T]:
    """Close the HTTP client with the transport that was given it."""
    async with http, transport as streams:
        yield streams


def reason_of(error: BaseException) -> str:
    """Return what an error says; of a group, as clients raise them, the first in it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


def sentence(result: CallToolResult) -> str:
    """Return the text of a result."""
    return "".join(part.text for part in result.content if isinstance(part, TextContent))
