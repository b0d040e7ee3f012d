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
    runtime: Runtime,
    principal: Principal,
    name: str,
    /,
    client: str = "",
    version: str = VERSION,
    **arguments: Any,
) -> Message:
    """Call a tool of the principal's server; returns its result, a tool's error included."""
    params = {"name": name, "arguments": arguments}
    answered = await ask(runtime, principal, "tools/call", params, client, version)
    result: Message = answered["result"]
    return result


async def read_resource(runtime: Runtime, principal: Principal, uri: str) -> Message:
    """Read a resource of the principal's server; returns its one content."""
    answered = await ask(runtime, principal, "resources/read", {"uri": uri})
    (content,) = answered["result"]["contents"]
    found: Message = content
    return found


async def ask(
    runtime: Runtime,
    principal: Principal,
    method: str,
    params: Message,
    client: str = "",
    version: str = VERSION,
) -> Message:
    """Make a request of the principal's server; returns its answer."""
    server = runtime.mcp.servers[principal.server]
    caller = Caller(runtime.mcp, server, principal)
    transport = TransportContext(kind="test", can_send_request=False, headers={})
    answered = await answer(
        McpEndpoint(server).mcp,
        Exchange(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
            NullChannel(),
            transport,
        ),
        Connection.from_envelope(version, {"name": client, "version": "1"}, {}),
        caller,
    )
    return answered.message


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
