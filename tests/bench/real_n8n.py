"""What the bridge costs in front of a real n8n, and n8n's own way to be a tool of Claude's.

The n8n that `BRIDGE_TEST_N8N_URL` names has the workflows of `tests/bench/workflows` published.
"""

import itertools
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.bench.connection import Connection, spell
from tests.bench.figures import Figure, Row
from tests.bench.load import Question, Side, figures_of, in_turns
from tests.bench.scale import Scale
from tests.bench.stage import set_up
from tests.bench.streams import HELLO, READY
from tests.bench.tool_call import calls

URL = os.environ.get("BRIDGE_TEST_N8N_URL", "")
DIRECT, TRIGGER = "posting to n8n directly", "n8n's MCP Server Trigger"
GOALS = {1: 0.95, 8: 0.95}
TRIGGER_GOALS = {50: 10.0}
PATH = "/mcp/peer"
JSON = {"accept": "application/json, text/event-stream"}


async def measure(scale: Scale) -> Row:
    """Run a workflow of the real n8n over the bridge and directly; then n8n's own MCP server.

    Raises:
        RuntimeError: no real n8n is named.
    """
    if not URL:
        raise RuntimeError("BRIDGE_TEST_N8N_URL names no n8n")
    return Row(
        "A real n8n",
        "The workflow `slow-tool` of a real n8n, run over the bridge and by posting to its "
        "webhook; and a tool that returns its argument in n8n's own MCP Server Trigger, beside the "
        "bridge "
        "with the stand-in behind it, which answers as fast as that.",
        [*await _in_front(scale), *await _instead(scale)],
        ("n8n runs a workflow for each of these calls, whose cost is the same on both sides.",),
    )


async def _in_front(scale: Scale) -> list[Figure]:
    figures: list[Figure] = []
    async with set_up() as stage, stage.at(URL).web() as web, stage.at(URL).worker():
        sides = (
            Side("bridge", web.port, calls("/mcp/demo", "slow_tool")),
            Side(DIRECT, _port(), _posts()),
        )
        for clients in scale.real_sessions:
            ours, theirs = await in_turns(sides, clients, scale)
            goals = {"per_s": GOALS[clients]} if clients in GOALS else {}
            what = f"{clients} at once: calls"
            figures += figures_of(what, ours, DIRECT, theirs, ("per_s", "p50_ms"), **goals)
    return figures


async def _instead(scale: Scale) -> list[Figure]:
    figures: list[Figure] = []
    async with set_up() as stage, stage.web() as web, stage.worker():
        sides = (
            Side("bridge", web.port, calls("/mcp/demo", "slow_tool")),
            Side(TRIGGER, _port(), itertools.repeat(Echoes())),
        )
        for clients in scale.sessions:
            ours, theirs = await in_turns(sides, clients, scale)
            goals = {"per_s": TRIGGER_GOALS[clients]} if clients in TRIGGER_GOALS else {}
            what = f"{clients} at once: calls of a tool"
            figures += figures_of(what, ours, TRIGGER, theirs, ("per_s", "p50_ms"), **goals)
    return figures


def _port() -> int:
    return urlsplit(URL).port or 80


def _posts() -> Iterator[Question]:
    for count in itertools.count(1):
        label = f"post-{count}-of-the-bench"
        request = spell("POST", "/webhook/slow-tool", {}, {"seconds": 0, "label": label})
        yield Question(request, 200, label.encode())


class Echoes:
    """Calls of n8n's tool; each connection has a session of its own, as each client has."""

    def __init__(self) -> None:
        self._sessions: dict[Connection, str] = {}
        self._counts = itertools.count(1)

    async def done(self, connection: Connection) -> bytes:
        """Call the tool with a text that must come back."""
        if connection not in self._sessions:
            self._sessions[connection] = await self._open(connection)
        text = f"echo-{next(self._counts)}-of-the-bench"
        params = {"name": "echo", "arguments": {"input": text}}
        request = self._spelled("tools/call", params, self._sessions[connection])
        return await Question(request, 200, text.encode()).done(connection)

    async def _open(self, connection: Connection) -> str:
        answer = await connection.ask(self._spelled("initialize", HELLO["params"], ""))
        session = answer.headers["mcp-session-id"]
        ready = spell("POST", PATH, {**JSON, "mcp-session-id": session}, READY)
        await Question(ready, 202, b"").done(connection)
        return session

    def _spelled(self, method: str, params: object, session: str) -> bytes:
        headers = {**JSON, "mcp-session-id": session} if session else JSON
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return spell("POST", PATH, headers, message)
