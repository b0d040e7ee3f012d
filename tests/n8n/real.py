"""A real n8n that tests import workflows into over its API, and a bridge that belongs to them."""

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client

from tests.bridge_processes import ROOT, Bridge, running_bridge
from tests.claude import Spread, claude

URL, API_KEY = (os.environ.get(f"BRIDGE_TEST_N8N_{name}", "") for name in ("URL", "API_KEY"))
TEMPLATES = ROOT / "config" / "n8n"
SERVER_FILE = TEMPLATES / "templates.yaml"
WRITTEN_ADDRESS = "http://127.0.0.1:8080"
"""Where the templates believe the bridge to be; whoever imports them puts the right address."""

TOKEN, HOOK_TOKEN, TOOL_TOKEN = "of-claude", "of-the-hooks", "of-the-tools"
ALICE_TOKEN, APPROVER_TOKEN = "of-alice", "of-the-approver"
SECRET = "a secret of enough characters"
CREDENTIALS: dict[str, tuple[str, dict[str, str]]] = {
    "bridgeHookToken": (
        "httpHeaderAuth",
        {"name": "Authorization", "value": f"Bearer {HOOK_TOKEN}"},
    ),
    "bridgeToolToken": ("httpHeaderAuth", {"name": "X-Bridge-Key", "value": TOOL_TOKEN}),
    "bridgeApproverToken": ("httpBearerAuth", {"token": APPROVER_TOKEN}),
    "bridgeHookSecret": ("crypto", {"hmacSecret": SECRET}),
    "bridgeCaller": (
        "jwtAuth",
        {"keyType": "pemKey", "publicKey": "={{ $json.pem }}", "algorithm": "ES256"},
    ),
}
"""What a user makes in n8n for the templates, under the ids that the templates give them."""

ANSWER_S = 120.0
READY_S = 60.0


@dataclass
class RealN8n:
    """A real n8n; what was put into it is taken out in the end."""

    http: httpx2.AsyncClient
    known: Mapping[str, tuple[str, dict[str, str]]] = field(default_factory=lambda: CREDENTIALS)
    credentials: dict[str, str] = field(default_factory=dict)
    workflows: list[str] = field(default_factory=list)

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API; n8n says no for moments, while it publishes something."""
        async with asyncio.timeout(READY_S):
            while True:
                answer = await self.http.request(method, f"/api/v1{path}", json=body)
                if answer.status_code not in (409, 500, 503):
                    return answer.raise_for_status().json()
                await asyncio.sleep(0.2)

    async def install(self, name: str, bridge: Bridge, **settings: Any) -> str:
        """Import a template as its user would: address and credentials chosen, then published."""
        text = (TEMPLATES / name).read_text().replace(WRITTEN_ADDRESS, bridge.webs[0].url)
        return await self.publish(json.loads(text), **settings)

    async def publish(self, workflow: dict[str, Any], **settings: Any) -> str:
        """Put a workflow in, published; returns its id."""
        for node in workflow["nodes"]:
            for kind, chosen in node.get("credentials", {}).items():
                chosen["id"] = await self._credential(chosen["id"], kind)
        known = {key: workflow[key] for key in ("name", "nodes", "connections")}
        given = {**known, "settings": {**workflow["settings"], **settings}}
        workflow_id: str = (await self.api("POST", "/workflows", given))["id"]
        self.workflows.append(workflow_id)
        await self.api("POST", f"/workflows/{workflow_id}/activate")
        return workflow_id

    async def post(self, path: str, body: Any) -> httpx2.Response:
        """Run a workflow by its webhook; one just published may not be there yet."""
        async with asyncio.timeout(ANSWER_S):
            while True:
                answer = await self.http.post(f"/webhook/{path}", json=body)
                if answer.status_code != 404:
                    return answer
                await asyncio.sleep(0.1)

    async def clear(self) -> None:
        """Take out what was put in."""
        for workflow_id in self.workflows:
            await self.api("POST", f"/workflows/{workflow_id}/deactivate")
            await self.api("DELETE", f"/workflows/{workflow_id}")
        for credential_id in self.credentials.values():
            await self.api("DELETE", f"/credentials/{credential_id}")

    async def _credential(self, name: str, kind: str) -> str:
        if name not in self.credentials:
            expected, data = self.known[name]
            assert kind == expected
            made = await self.api(
                "POST", "/credentials", {"name": name, "type": kind, "data": data}
            )
            self.credentials[name] = made["id"]
        return self.credentials[name]


@contextlib.asynccontextmanager
async def real_n8n() -> AsyncIterator[RealN8n]:
    """Open the n8n that the environment names."""
    if not URL:
        pytest.skip("BRIDGE_TEST_N8N_URL names no n8n")
    if not API_KEY:
        pytest.skip("BRIDGE_TEST_N8N_API_KEY is not set: no template can be imported")
    async with open_n8n() as n8n:
        yield n8n


@contextlib.asynccontextmanager
async def open_n8n() -> AsyncIterator[RealN8n]:
    """Open the n8n that the environment does name; take out in the end what was put into it."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(
        base_url=URL,
        headers={"X-N8N-API-KEY": API_KEY},
        timeout=ANSWER_S,
        trust_env=False,
        limits=limits,
    ) as http:
        n8n = RealN8n(http)
        try:
            yield n8n
        finally:
            await n8n.clear()


@contextlib.asynccontextmanager
async def bridge_to(folder: Path, **changes: str) -> AsyncIterator[Bridge]:
    """Run a bridge with the templates' server file, in which these texts are changed."""
    text = SERVER_FILE.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    servers = folder / "templates"
    servers.mkdir()
    (servers / "templates.yaml").write_text(text)
    settings: dict[str, Any] = {
        "BRIDGE_N8N_URL": URL,
        "BRIDGE_N8N_API_KEY": API_KEY,
        "BRIDGE_SERVERS": str(servers),
        "TEMPLATES_TOKEN": TOKEN,
        "TEMPLATES_ALICE_TOKEN": ALICE_TOKEN,
        "TEMPLATES_APPROVER_TOKEN": APPROVER_TOKEN,
        "TEMPLATES_HOOK_TOKEN": HOOK_TOKEN,
        "TEMPLATES_TOOL_TOKEN": TOOL_TOKEN,
        "TEMPLATES_SIGNING_SECRET": "whsec_" + base64.b64encode(SECRET.encode()).decode(),
    }
    async with running_bridge(folder, **settings) as bridge:
        yield bridge


@contextlib.asynccontextmanager
async def at(bridge: Bridge, token: str = TOKEN) -> AsyncIterator[Client]:
    """Connect Claude to the templates' server."""
    origin = bridge.webs[0].url
    async with claude("templates", token, "2026-07-28", Spread([origin]), origin) as client:
        yield client
