"""How a tool is called on the 2026-07-28 wire."""

import itertools
from collections.abc import Iterator, Mapping

from tests.bench.connection import spell
from tests.bench.load import Question
from tests.bench.stage import CLAUDE

VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def calls(path: str, tool: str, seconds: float = 0) -> Iterator[Question]:
    """Call a tool, each time with a label of its own that must come back."""
    for count in itertools.count(1):
        label = f"call-{count}-of-the-bench"
        arguments = {"seconds": seconds, "label": label}
        yield Question(spelled(path, tool, count, arguments), 200, label.encode())


def looks(path: str) -> Iterator[Question]:
    """Look at what there is, which needs no worker and no n8n."""
    for count in itertools.count(1):
        yield Question(spelled(path, "list_calls", count, {}), 200, b'"calls":[]')


def spelled(path: str, tool: str, count: int, arguments: Mapping[str, object]) -> bytes:
    """Format the request that calls a tool."""
    headers = {
        **CLAUDE,
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": tool,
    }
    params = {"name": tool, "arguments": arguments, "_meta": META}
    message = {"jsonrpc": "2.0", "id": count, "method": "tools/call", "params": params}
    return spell("POST", path, headers, message)
