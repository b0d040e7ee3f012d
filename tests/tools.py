"""Tools called in this process, as every wire calls them, without a wire."""

from typing import Any

from mcp.server.connection import Connection
from mcp.shared.transport_context import TransportContext

from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.exchange import Exchange, NullChannel, answer
from bridge.mcp.tools import Caller
from bridge.models import Message, Principal
from bridge.runtime import Runtime

VERSION = "2025-11-25"


async def call_tool(
    runtime: Runtime, principal: Principal, name: str, /, client: str = "", **arguments: Any
) -> Message:
    """Call a tool of the principal's server; returns its result, a tool's error included."""
    server = runtime.mcp.servers[principal.server]
    caller = Caller(runtime.mcp, server, principal)
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments},
    }
    transport = TransportContext(kind="test", can_send_request=False, headers={})
    answered = await answer(
        McpEndpoint(server).mcp,
        Exchange(request, NullChannel(), transport),
        Connection.from_envelope(VERSION, {"name": client, "version": "1"}, {}),
        caller,
    )
    result: Message = answered.message["result"]
    return result


async def told(runtime: Runtime, principal: Principal, name: str, **arguments: Any) -> Message:
    """Call a tool that must succeed; returns what it tells."""
    result = await call_tool(runtime, principal, name, **arguments)
    assert not result.get("isError"), result
    structured: Message = result["structuredContent"]
    return structured


async def refused(runtime: Runtime, principal: Principal, name: str, **arguments: Any) -> str:
    """Call a tool that must fail; returns its sentence."""
    result = await call_tool(runtime, principal, name, **arguments)
    assert result["isError"], result
    sentence: str = result["content"][0]["text"]
    return sentence
