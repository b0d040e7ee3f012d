"""Claude as a test plays it: an MCP client that is connected to one server."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeVar

import httpx2
from anyio.from_thread import BlockingPortal
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

T = TypeVar("T")

TIMEOUT_S = 120.0


class ClaudeClient:
    """An MCP client at one server, for tests without a loop of their own."""

    def __init__(self, client: Client, portal: BlockingPortal) -> None:
        self._client = client
        self._portal = portal

    def tools(self) -> list[str]:
        """List the names of the tools that Claude sees."""
        listed = self._portal.call(self._client.list_tools)
        return [tool.name for tool in listed.tools]

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its structured result.

        Raises:
            AssertionError: the tool has failed; its text is what Claude would read.
        """
        return self._portal.call(partial(use, self._client, tool, **arguments))

    def failure(self, tool: str, /, **arguments: Any) -> str:
        """Call a tool that shall fail, and return what Claude reads then.

        Raises:
            AssertionError: it has succeeded.
        """
        result = self._portal.call(self._client.call_tool, tool, arguments)
        assert result.is_error, sentence(result)
        return sentence(result)


async def use(client: Client, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """Call a tool and return its structured result.

    Raises:
        AssertionError: the tool has failed; its text is what Claude would read.
    """
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, sentence(result)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def sentence(result: CallToolResult) -> str:
    """Return the text of a result."""
    return "".join(part.text for part in result.content if isinstance(part, TextContent))


@contextlib.asynccontextmanager
async def connected(address: str, token: str) -> AsyncIterator[Client]:
    """Connect to a server of a bridge, by its address."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    http = httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S, trust_env=False)
    transport = closing(http, streamable_http_client(address, http_client=http))
    async with Client(transport, read_timeout_seconds=TIMEOUT_S) as client:
        yield client


@contextlib.asynccontextmanager
async def closing(
    http: httpx2.AsyncClient, transport: AbstractAsyncContextManager[T]
) -> AsyncIterator[T]:
    """Close the HTTP client with the transport that was given it."""
    async with http, transport as streams:
        yield streams
