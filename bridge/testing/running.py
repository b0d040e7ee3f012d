"""A bridge of real processes as a test uses it: with plain calls, and n8n's part in its hands."""

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bridge.client.mcp_client import connected_to
from bridge.client.proofs import proof_for
from bridge.configuration.server_files import read_server_files
from bridge.configuration.servers import Server
from bridge.errors import ConfigurationError
from bridge.local.children import Child, Surroundings
from bridge.local.ports import free_port
from bridge.models import Json
from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from bridge.testing.clients import ClaudeClient
from bridge.testing.n8n import ParkedExecution, PlayedN8n

START_S = 30.0
POLL_S = 0.05
DRAIN_S = 1.0
SECRET_BYTES = 24


@dataclass
class RunningBridge:
    """A bridge under test: `url` is its address, `n8n` the stand-in, `claude` a connected client.

    Of several server files the first is meant, unless a call names another.
    """

    url: str
    servers: Mapping[str, Server]
    n8n: PlayedN8n
    _portal: BlockingPortal
    _http: httpx2.AsyncClient
    _exits: contextlib.ExitStack
    _clients: dict[str, ClaudeClient] = field(default_factory=dict)

    @property
    def claude(self) -> ClaudeClient:
        """Return the client of the first server, connected the first time."""
        return self.claude_at(next(iter(self.servers)))

    def claude_at(self, name: str) -> ClaudeClient:
        """Return the client of a server, connected the first time."""
        if name not in self._clients:
            connecting = connected_to(self.url, self.servers[name])
            client = self._portal.wrap_async_context_manager(connecting)
            self._clients[name] = ClaudeClient(self._exits.enter_context(client), self._portal)
        return self._clients[name]

    def send(self, hook: str, payload: Json, *, server: str = "", reply_url: str = "") -> str:
        """Send an event as n8n's HTTP Request node does; return its id once it is on disk.

        Raises:
            AssertionError: the bridge has refused it.
        """
        named = self.servers[server or next(iter(self.servers))]
        return self._portal.call(self._send, named, hook, payload, reply_url)

    def ask(self, hook: str, payload: Json, *, server: str = "") -> ParkedExecution:
        """Send an event from an execution that then parks at its Wait node for the reply."""
        parked = self.n8n.park()
        self.send(hook, payload, server=server, reply_url=parked.reply_url)
        return parked

    async def _send(self, server: Server, hook: str, payload: Json, reply_url: str) -> str:
        body = json.dumps(payload).encode()
        headers = {"content-type": "application/json"}
        headers |= proof_for(server.hooks[hook], body, time.time())
        headers |= {"bridge-reply-url": reply_url} if reply_url else {}
        address = f"{self.url}/hooks/{server.name}/{hook}"
        answer = await self._http.post(address, content=body, headers=headers)
        assert answer.is_success, f"the hook answered {answer.status_code}: {answer.text}"
        return str(answer.json()["event_id"])


@contextlib.contextmanager
def running_bridge(
    servers: Path, folder: Path, environ: Mapping[str, str]
) -> Iterator[RunningBridge]:
    """Run `n8n-bridge up` for these server files, with its data in `folder`, and end it at last.

    Every variable that the files name and `environ` does not give is made up: no `.env` is read.
    """
    with start_blocking_portal() as portal, contextlib.ExitStack() as exits:
        started = portal.wrap_async_context_manager(_started(portal, servers, folder, environ))
        url, read, n8n, http = exits.enter_context(started)
        yield RunningBridge(url, read, n8n, portal, http, exits)


@contextlib.asynccontextmanager
async def _started(
    portal: BlockingPortal, servers: Path, folder: Path, environ: Mapping[str, str]
) -> AsyncIterator[tuple[str, Mapping[str, Server], PlayedN8n, httpx2.AsyncClient]]:
    async with contextlib.AsyncExitStack() as stack:
        port = free_port()
        n8n = PlayedN8n(portal)
        standin = Standin(has_control=True, further=n8n.flow_at)
        n8n_url = await stack.enter_async_context(serving(await stack.enter_async_context(standin)))
        settings = {
            **_made_up(servers, environ),
            "BRIDGE_SERVERS": str(servers),
            "BRIDGE_N8N_URL": n8n_url,
            "BRIDGE_N8N_API_KEY": "any",
            "BRIDGE_DATA_DIR": str(folder / "data"),
            "BRIDGE_PORT": str(port),
            "BRIDGE_DRAIN_S": f"{DRAIN_S:g}",
            **environ,
        }
        read = read_server_files(servers, settings)
        if read.faults:
            raise ConfigurationError(read.faults)
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=START_S, trust_env=False))
        n8n.open(standin, http, n8n_url, read.servers)
        inherited = {name: text for name, text in os.environ.items() if "BRIDGE_" not in name}
        url = f"http://127.0.0.1:{port}"
        await _up(stack, inherited | settings, folder, http, url)
        yield url, read.servers, n8n, http


async def _up(
    stack: contextlib.AsyncExitStack,
    environ: Mapping[str, str],
    folder: Path,
    http: httpx2.AsyncClient,
    url: str,
) -> None:
    """Start everything and wait until it answers; the end of the stack ends it."""
    up = Child(("up",), environ, DRAIN_S, Surroundings(folder))
    stack.push_async_callback(up.stop)
    await up.start()
    ended = asyncio.create_task(up.wait())
    deadline = asyncio.get_running_loop().time() + START_S
    while not await _is_ready(http, url):
        if ended.done():
            raise RuntimeError(f"the bridge ended with status {ended.result()}: see its output")
        if asyncio.get_running_loop().time() > deadline:
            raise RuntimeError(f"the bridge was not ready within {START_S:g} s: see its output")
        await asyncio.sleep(POLL_S)


async def _is_ready(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False


def _made_up(servers: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return a secret for each variable that the files name; hexadecimal, so base64 as well."""
    made: dict[str, str] = {}
    # Of two variables in one text the second is asked for once the first is there.
    while names := read_server_files(servers, {**made, **environ}).variables - made.keys():
        made |= {name: secrets.token_hex(SECRET_BYTES) for name in names}
    return made
