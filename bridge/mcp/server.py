"""The MCP server that one configured server is to Claude: its tools, on the SDK's low level."""

from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server as McpServer
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError

from bridge import __version__
from bridge.errors import BridgeError, RejectedError
from bridge.mcp.call_tools import CALL_TOOLS
from bridge.mcp.exchange import Caller
from bridge.mcp.inbox_tools import INBOX_TOOLS
from bridge.mcp.tools import Tool, failure
from bridge.mcp.workflow_tools import workflow_tools
from bridge.schema_cache import SchemaCache
from bridge.servers import Server

LIST_TTL_MS = 60_000

Context = ServerRequestContext[Caller]


def tools_of(server: Server) -> dict[str, Tool]:
    """Give every tool of a server by its name: workflows first, then the inbox's and the calls'."""
    every = (*workflow_tools(server), *INBOX_TOOLS, *CALL_TOOLS)
    return {tool.name: tool for tool in every}


class Door:
    """One server's MCP face; `mcp` is what the wires serve, `listening` its open subscriptions."""

    def __init__(self, server: Server) -> None:
        self._tools = tools_of(server)
        self._listed = [tool.describe() for tool in self._tools.values()]
        self._schemas = SchemaCache()
        self.listening = ListenHandler(InMemorySubscriptionBus())
        hint = CacheHint(ttl_ms=LIST_TTL_MS, scope="private")
        self.mcp: McpServer[Caller] = McpServer(
            server.name,
            version=__version__,
            title=server.title,
            instructions=server.description,
            cache_hints={"tools/list": hint, "server/discover": hint},
            get_tool_input_schema=self.input_schema,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_subscriptions_listen=self.listening,
        )

    def input_schema(self, name: str) -> dict[str, Any] | None:
        """Give a tool's input schema, or None for an unknown tool."""
        tool = self._tools.get(name)
        return tool.input if tool else None

    async def _list_tools(
        self, _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=self._listed)

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"unknown tool: {params.name}")
        arguments = params.arguments or {}
        try:
            self._schemas.check(
                tool.input, arguments, "the arguments break this tool's input schema"
            )
            return await tool.run(context, arguments)
        except RejectedError as error:
            return failure(str(error))
        except BridgeError as error:
            return failure(f"{error}; try again in a few seconds")
