"""n8n's own MCP Client node, on a real n8n: it connects anew for each call."""

import contextlib
import functools
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.hosts.host import AUTHORIZATION, Address, Answer
from tests.n8n.real import RealN8n, open_n8n

TRANSPORTS = {"/mcp": "httpStreamable", "/mcp-2025": "httpStreamable", "/sse": "sse"}
TIMEOUT_MS = 600_000
NODE = "@n8n/n8n-nodes-langchain.mcpClient"


class N8nNode:
    """Calls tools, each by an execution of a workflow that has the node."""

    def __init__(self, n8n: RealN8n, path: str) -> None:
        self._n8n = n8n
        self._path = path

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Run the workflow for one call; an execution that fails is a call that broke."""
        asked = {"tool": tool, "given": arguments}
        answer = await self._n8n.post(self._path, asked)
        if answer.status_code != 200:
            return Answer(answer.text, is_error=True)
        told = answer.json()
        told = told[0] if isinstance(told, list) else told
        return _answer(told)


def _answer(told: dict[str, Any]) -> Answer:
    """Read what the node gives of a result: its structure, or its text."""
    content = told.get("content", told)
    if isinstance(content, list):
        text = "".join(
            block["text"] if isinstance(block["text"], str) else json.dumps(block["text"])
            for block in content
            if block.get("type") == "text"
        )
        return Answer(text, is_error=bool(told.get("isError")))
    return Answer(json.dumps(content), is_error=bool(told.get("isError")))


@contextlib.asynccontextmanager
async def n8n_node(address: Address, _folder: Path) -> AsyncIterator[N8nNode]:
    """Have a workflow with the node in the n8n that the environment names."""
    path = f"mcp-client-{secrets.token_hex(8)}"
    async with open_n8n() as n8n:
        header = {"name": "Authorization", "value": AUTHORIZATION}
        made = {"name": path, "type": "httpHeaderAuth", "data": header}
        n8n.credentials[path] = (await n8n.api("POST", "/credentials", made))["id"]
        await n8n.publish(_workflow(path, address))
        yield N8nNode(n8n, path)


def _workflow(path: str, address: Address) -> dict[str, Any]:
    node = functools.partial(dict[str, Any], position=[0, 0], typeVersion=1.1)
    first_to_last = {"main": [[{"node": "MCP Client", "type": "main", "index": 0}]]}
    return {
        "name": path,
        "settings": {},
        "nodes": [
            node(
                name="Webhook",
                id="1",
                webhookId=path,
                type="n8n-nodes-base.webhook",
                parameters={"path": path, "httpMethod": "POST", "responseMode": "lastNode"},
                typeVersion=2,
            ),
            node(
                name="MCP Client",
                id="2",
                type=NODE,
                parameters={
                    "serverTransport": TRANSPORTS[address.wire],
                    "endpointUrl": address.url,
                    "authentication": "headerAuth",
                    "tool": {"__rl": True, "mode": "id", "value": "={{ $json.body.tool }}"},
                    "inputMode": "json",
                    "jsonInput": "={{ JSON.stringify($json.body.given) }}",
                    "options": {"timeout": TIMEOUT_MS},
                },
                credentials={"httpHeaderAuth": {"id": path, "name": path}},
            ),
        ],
        "connections": {"Webhook": first_to_last},
    }
