"""One bridge that serves all examples, beside n8n, and the systems outside of both."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from mcp.client import Client

from bridge.standin.serving import serving as serving_standin
from bridge.standin.standin import Standin
from tests.bridge_processes import Bridge, running_bridge
from tests.claude import Spread, Wire, claude, use
from tests.gallery.examples import FOLDER, Example
from tests.gallery.javascript import javascript
from tests.gallery.outside import Outside
from tests.gallery.playing import PlayedFiles
from tests.n8n.real import API_KEY, URL, open_n8n
from tests.serving import serving_any
from tests.waiting import wait_until

CLAUDE_TOKEN, HOOK_TOKEN, N8N_KEY = (secrets.token_hex(24) for _ in range(3))
VARIABLES = {
    "EXAMPLES_CLAUDE_TOKEN": CLAUDE_TOKEN,
    "EXAMPLES_HOOK_TOKEN": HOOK_TOKEN,
    "EXAMPLES_N8N_KEY": N8N_KEY,
    "EXAMPLES_PRIVATE_HOSTS": "none",
}
"""The variables that the server files name."""

CREDENTIALS = {
    "EXAMPLES_HOOK_TOKEN": {"name": "Authorization", "value": f"Bearer {HOOK_TOKEN}"},
    "EXAMPLES_N8N_KEY": {"name": "X-Bridge-Key", "value": N8N_KEY},
}
"""What users make in n8n, under the ids that the workflows give them."""

ANSWER_S = 60.0

Publish = Callable[[dict[str, Any]], Awaitable[object]]


@dataclass(frozen=True)
class Scene:
    """What the script of one example has in its hands; `n8n` goes to the webhooks of n8n."""

    example: Example
    bridge: Bridge
    outside: Outside
    n8n: httpx2.AsyncClient

    def sample(self, name: str) -> Any:
        """Read one of its samples, with the addresses of here."""
        text = (self.example.folder / "samples" / name).read_text()
        text = self.outside.addressed(self.example, text)
        return json.loads(text) if name.endswith(".json") else text

    async def trigger(self, path: str, body: Any) -> Any:
        """Run a workflow by its webhook as the world does; return what it answers in the end."""
        async with asyncio.timeout(ANSWER_S):
            # One just published may not be there yet.
            while (answer := await self.n8n.post(path, json=body)).status_code == 404:
                await asyncio.sleep(0.1)
        return answer.raise_for_status().json()

    @contextlib.asynccontextmanager
    async def claude(self, wire: Wire = "2026-07-28") -> AsyncIterator[Client]:
        """Connect Claude to the example's server."""
        origin = self.bridge.webs[0].url
        async with claude(
            self.example.name, CLAUDE_TOKEN, wire, Spread([origin]), origin
        ) as client:
            yield client

    def received(self, path: str) -> list[Any]:
        """Return what the systems outside were sent, such as at `crm/people`."""
        return self.outside.received(self.example, path)

    async def once_received(self, path: str) -> list[Any]:
        """Return what they were sent, as soon as that is something."""
        await wait_until(lambda: self.received(path), f"something comes to {path}", ANSWER_S)
        return self.received(path)


async def take(client: Client, hook: str) -> dict[str, Any]:
    """Take the next event of a hook, which has to come."""
    taken = await use(client, "take_event", hook=hook, wait_seconds=30)
    assert taken["event_id"], f"no event of {hook}"
    return taken


async def reply(client: Client, taken: dict[str, Any], value: Any) -> dict[str, Any]:
    """Answer an event that was taken."""
    claim = {"event_id": taken["event_id"], "lease": taken["lease"]}
    return await use(client, "reply_to_event", **claim, reply=value)


@dataclass(frozen=True)
class Stage:
    """Where the scripts of all examples are played; `publish` puts a workflow into n8n."""

    bridge: Bridge
    outside: Outside
    n8n: httpx2.AsyncClient
    publish: Publish

    async def play(self, example: Example) -> None:
        """Import an example's workflows as its user would, and play its script.

        Raises:
            AssertionError: something was not as the script says.
        """
        for file in example.workflows:
            await self.publish(json.loads(self.outside.addressed(example, file.read_text())))
        await example.script(Scene(example, self.bridge, self.outside, self.n8n))


@contextlib.asynccontextmanager
async def on_standin(folder: Path) -> AsyncIterator[Stage]:
    """Run a bridge for all examples, with a stand-in that plays their workflows."""
    async with javascript() as runs:
        played = PlayedFiles(CREDENTIALS, runs)
        async with (
            Standin(further=played.flow_at) as standin,
            serving_standin(standin) as url,
            _stage(folder, url, "any", played.publish) as stage,
        ):
            yield stage


@contextlib.asynccontextmanager
async def on_real_n8n(folder: Path) -> AsyncIterator[Stage]:
    """Run a bridge for all examples, with the n8n that BRIDGE_TEST_N8N_URL names."""
    async with open_n8n() as n8n, _stage(folder, URL, API_KEY, n8n.publish) as stage:
        n8n.known = {name: ("httpHeaderAuth", header) for name, header in CREDENTIALS.items()}
        yield stage


@contextlib.asynccontextmanager
async def _stage(
    folder: Path, n8n_url: str, api_key: str, publish: Publish
) -> AsyncIterator[Stage]:
    outside = Outside()
    http = httpx2.AsyncClient(base_url=f"{n8n_url}/webhook/", timeout=ANSWER_S, trust_env=False)
    async with http as n8n, serving_any(outside.app()) as outside.url:
        settings: dict[str, Any] = {
            "BRIDGE_SERVERS": str(FOLDER),
            "BRIDGE_N8N_URL": n8n_url,
            "BRIDGE_N8N_API_KEY": api_key,
            **VARIABLES,
            "EXAMPLES_PRIVATE_HOSTS": urlsplit(outside.url).netloc,
            "HOME": str(folder),
        }
        async with running_bridge(folder, **settings) as bridge:
            outside.bridge_url = bridge.webs[0].url
            yield Stage(bridge, outside, n8n, publish)
