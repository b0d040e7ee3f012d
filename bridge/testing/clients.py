"""Claude as a test plays it: an MCP client that is connected to one server."""

from functools import partial
from typing import Any

from anyio.from_thread import BlockingPortal
from mcp.client import Client

from bridge.client.mcp_client import sentence


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
