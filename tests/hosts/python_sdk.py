"""The official Python client; when a call of it breaks, it connects anew, as a program would."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.claude import closing, sentence
from tests.hosts.host import AUTHORIZATION, Address, Answer

PATIENCE_S = 900.0


class Connection:
    """A client that is connected for as long as the task lives that opened it."""

    def __init__(self, address: Address) -> None:
        self._connected: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._left = asyncio.Event()
        self._living = asyncio.create_task(self._live(address))

    async def _live(self, address: Address) -> None:
        async with connected(address) as client:
            self._connected.set_result(client)
            await self._left.wait()

    async def client(self) -> Client:
        """Return the client once it is connected; raises what has kept it from that."""
        await asyncio.wait((self._connected, self._living), return_when=asyncio.FIRST_COMPLETED)
        if not self._connected.done():
            await self._living
        return self._connected.result()

    async def leave(self) -> None:
        """Disconnect, whatever state the connection is in."""
        self._left.set()
        await asyncio.gather(self._living, return_exceptions=True)


class PythonSdk:
    """Calls tools over one connection, until that is broken."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: Connection | None = None

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool; what breaks the call is its answer."""
        self._connection = self._connection or Connection(self._address)
        try:
            client = await self._connection.client()
            result = await client.call_tool(tool, arguments)
        except (MCPError, httpx2.HTTPError, OSError, ExceptionGroup) as error:
            await self.leave()
            return Answer(repr(error), is_error=True)
        if result.structured_content is None:
            return Answer(sentence(result), bool(result.is_error))
        return Answer(json.dumps(result.structured_content), bool(result.is_error))

    async def leave(self) -> None:
        """End the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.leave()


@contextlib.asynccontextmanager
async def python_sdk(address: Address, _folder: Path) -> AsyncIterator[PythonSdk]:
    """Use the official Python client against an address."""
    host = PythonSdk(address)
    try:
        yield host
    finally:
        await host.leave()


@contextlib.asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Client]:
    """Connect the client as its documentation does."""
    headers = {"authorization": AUTHORIZATION}
    if address.program:
        mode, transport = "auto", stdio_client(StdioServerParameters(command=address.program))
    elif address.wire == "/sse":
        mode, transport = "legacy", sse_client(address.url, headers, sse_read_timeout=PATIENCE_S)
    else:
        http = httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S, trust_env=False)
        mode, transport = (
            "auto",
            closing(http, streamable_http_client(address.url, http_client=http)),
        )
    async with Client(transport, mode=mode, read_timeout_seconds=PATIENCE_S) as client:
        yield client
