"""A project that `new` has written: put into n8n, started, and used as its kind is."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp.client import Client

from bridge.authoring.naming import prefix_of
from bridge.client.mcp_client import connected
from bridge.configuration.settings import read_dotenv
from bridge.local.ports import free_port
from tests.n8n.real import API_KEY, URL, WRITTEN_ADDRESS, RealN8n
from tests.processes import AS_STARTED, run, running
from tests.wheels import welcomed

NAME = "first-call"
PREFIX = prefix_of(NAME)
HOOKS = {"inbox": NAME, "approval": NAME, "document": f"{NAME}-document"}
"""The webhook of n8n's that hands something over, by the hook that it is handed to."""


@dataclass(frozen=True)
class NewProject:
    """A project in its folder, where its bridge will be, and the n8n it belongs to, if any."""

    folder: Path
    port: int
    n8n: RealN8n | None = None

    @property
    def environ(self) -> Mapping[str, str]:
        """Return what stands in its `.env`."""
        return read_dotenv(self.folder / ".env")

    async def import_into_n8n(self, n8n: RealN8n) -> None:
        """Do in n8n what its README says: import, choose the credentials, publish."""
        tokens = self.environ
        bearer = f"Bearer {tokens.get(f'{PREFIX}_HOOK_TOKEN')}"
        headers = {
            f"{PREFIX}_N8N_KEY": {
                "name": "X-Bridge-Key",
                "value": tokens.get(f"{PREFIX}_N8N_KEY", ""),
            },
            f"{PREFIX}_HOOK_TOKEN": {"name": "Authorization", "value": bearer},
        }
        n8n.known = {name: ("httpHeaderAuth", header) for name, header in headers.items()}
        for file in self.folder.glob("config/n8n/*.json"):
            text = file.read_text().replace(WRITTEN_ADDRESS, f"http://127.0.0.1:{self.port}")
            await n8n.publish(json.loads(text))

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[Client]:
        """Run its bridge, beside the stand-in where it has no n8n, and connect Claude."""
        named = {"BRIDGE_N8N_URL": URL, "BRIDGE_N8N_API_KEY": API_KEY} if self.n8n else {}
        environ = {"BRIDGE_PORT": str(self.port), **named}
        async with running("up", environ=environ, folder=self.folder, program=AS_STARTED) as ran:
            await welcomed(ran)
            token = self.environ[f"{PREFIX}_CLAUDE_TOKEN"]
            async with connected(f"http://127.0.0.1:{self.port}/mcp/{NAME}", token) as client:
                yield client

    async def hand_over(self, hook: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Have n8n hand something over, or do its part; return what its workflow ends with."""
        if self.n8n:
            answer = await self.n8n.post(HOOKS[hook], payload)
        else:
            token = self.environ[f"{PREFIX}_HOOK_TOKEN"]
            waits = {"Prefer": "wait=30"} if hook == "approval" else {}
            async with httpx2.AsyncClient() as http:
                answer = await http.post(
                    f"http://127.0.0.1:{self.port}/hooks/{NAME}/{hook}",
                    headers={"Authorization": f"Bearer {token}", **waits},
                    json=payload,
                    timeout=60,
                )
        ended: dict[str, Any] = answer.raise_for_status().json()
        return ended


async def new_project(kind: str, folder: Path, n8n: RealN8n | None = None) -> NewProject:
    """Have a project of a kind written, and its workflows imported where there is an n8n."""
    status, said = await run(
        "new", NAME, "--kind", kind, environ={}, folder=folder, program=AS_STARTED
    )
    assert status == 0, said
    project = NewProject(folder / NAME, free_port(), n8n)
    if n8n:
        await project.import_into_n8n(n8n)
    return project
