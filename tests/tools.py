"""Tools called in this process, as every wire calls them, without a wire."""

from typing import Any

from mcp.server.connection import Connection
from mcp.shared.transport_context import TransportContext

from bridge.mcp.exchange import Caller, Exchange, Silence, answer
from bridge.mcp.server import Door
from bridge.models import Message, Principal
from bridge.runtime import Runtime

VERSION = "2025-11-25"


async def call_tool(
    runtime: Runtime, principal: Principal, name: str, /, client: str = "", **arguments: Any
) -> Message:
    """Call a tool of the principal's server; give its result, an error of the tool's included."""
    server = runtime.servers[principal.server]
    caller = Caller(runtime, server, principal)
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments},
    }
    transport = TransportContext(kind="test", can_send_request=False, headers={})
    reply = await answer(
        Door(server).mcp,
        Exchange(request, Silence(), transport),
        Connection.from_envelope(VERSION, {"name": client, "version": "1"}, {}),
        caller,
    )
    result: Message = reply["result"]
    return result


async def told(runtime: Runtime, principal: Principal, name: str, **arguments: Any) -> Message:
    """Call a tool that must succeed; give what it tells."""
    result = await call_tool(runtime, principal, name, **arguments)
    assert not result.get("isError"), result
    structured: Message = result["structuredContent"]
    return structured


async def refused(runtime: Runtime, principal: Principal, name: str, **arguments: Any) -> str:
    """Call a tool that must fail; give its sentence."""
    result = await call_tool(runtime, principal, name, **arguments)
    assert result["isError"], result
    sentence: str = result["content"][0]["text"]
    return sentence
