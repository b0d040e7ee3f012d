"""How a tool is called on the 2026-07-28 wire."""

import itertools
from collections.abc import Iterator, Mapping

from tests.bench.connection import spell
from tests.bench.load import Question
from tests.bench.stage import CLAUDE

VERSION, STATELESS_VERSION = "2026-07-28", "2025-11-25"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META: Mapping[str, object] = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    CAPABILITIES: {},
}


def calls(path: str, tool: str, seconds: float = 0, version: str = VERSION) -> Iterator[Question]:
    """Call a tool, each time with a label of its own that must come back."""
    for count in itertools.count(1):
        label = f"call-{count}-of-the-bench"
        arguments = {"seconds": seconds, "label": label}
        yield Question(spelled(path, tool, count, arguments, version), 200, label.encode())


def looks(path: str) -> Iterator[Question]:
    """Look at what there is, which needs no worker and no n8n."""
    for count in itertools.count(1):
        yield Question(spelled(path, "list_calls", count, {}), 200, b'"calls":[]')


def spelled(
    path: str, tool: str, count: int, arguments: Mapping[str, object], version: str = VERSION
) -> bytes:
    """Format the request that calls a tool."""
    params = {"name": tool, "arguments": arguments}
    return framed(path, "tools/call", tool, count, params, version=version)


def framed(
    path: str,
    method: str,
    name: str,
    count: int,
    params: Mapping[str, object],
    *,
    version: str = VERSION,
    extensions: Mapping[str, object] | None = None,
) -> bytes:
    """Format a request as a wire wants it; only that of 2026 says who asks and what it can."""
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": version}
    if version == VERSION:
        headers |= {**CLAUDE, "mcp-method": method, "mcp-name": name}
        able = {CAPABILITIES: {"extensions": extensions}} if extensions else {}
        params = {**params, "_meta": {**META, **able}}
    message = {"jsonrpc": "2.0", "id": count, "method": method, "params": params}
    return spell("POST", path, headers, message)
