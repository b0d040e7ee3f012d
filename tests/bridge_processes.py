"""A bridge of real processes that a test may end at any moment, in any way, and start again."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from redis.asyncio import Redis

from bridge.local.ports import free_port
from bridge.local.valkey import EmbeddedValkey
from bridge.standin.seen import Seen
from bridge.standin.serving import serving as serving_standin
from bridge.standin.standin import Standin
from tests.claude import UNLIMITED, Spread, Wire, claude, modern_request
from tests.forked import Process, end_at_last, start_python
from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent
SERVER = "proof"
TOKEN = "the-token-of-claude"
HOOK_TOKEN = "the-token-of-the-hook"
START_S = 30.0
LAST_LINES = 30

HOOK_PATH = f"/hooks/{SERVER}/question"


class Child:
    """One process of the bridge; what it logs goes into a file of its name.

    `trees` are the folders whose code it runs: each start takes the next, the first after the last.
    `prefix` is a command that becomes another one, on another host say.
    """

    def __init__(
        self,
        name: str,
        command: tuple[str, ...],
        environ: Mapping[str, str],
        folder: Path,
        is_ready: "Callable[[Child], Awaitable[bool]]",
        trees: Sequence[Path] = (ROOT,),
        *,
        prefix: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.tree = trees[0]
        """The folder of the code that it runs, or will."""
        self._trees = itertools.cycle(trees)
        host, port = environ.get("BRIDGE_HOST", "127.0.0.1"), environ.get("BRIDGE_PORT", "")
        self.url = f"http://{host}:{port}"
        self._prefix = prefix
        self._command = command
        self._environ = environ
        self._log = folder / f"{name}.log"
        self._is_ready = is_ready
        self._process: Process | None = None
        self._log_start = 0

    @property
    def log(self) -> str:
        """All that it has logged since it was last started."""
        return self._log.read_bytes()[self._log_start :].decode()

    @property
    def pid(self) -> int:
        """The id of its process, once it was started."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Report whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self, point: str | None = None) -> None:
        """Start it, to be killed at `point` if one is named, and wait until it is ready."""
        module = ("bridge",) if point is None else ("tests.fault_points", point)
        tree = self.tree = next(self._trees)
        with self._log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            self._log_start = log.tell()
            self._process = await start_python(
                *module,
                *self._command,
                folder=tree,
                environ={**self._environ, "PYTHONPATH": str(tree)},
                files=(nothing.fileno(), log.fileno(), log.fileno()),
                prefix=self._prefix,
            )

        async def is_ready() -> bool:
            assert self.is_running, f"{self.name} ended before it was ready"
            return await self._is_ready(self)

        await wait_until(is_ready, f"{self.name} is ready", START_S)

    def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process is not None and self.is_running:
            self._process.kill()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGTERM to drain, SIGSTOP and SIGCONT to freeze and thaw it."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self) -> None:
        """End it, for the test is over."""
        if self._process is not None and self.is_running:
            end_at_last(self._process)

    async def ended(self) -> int:
        """Wait for its end; returns its exit status, minus the signal's number if killed."""
        return await self._process.wait() if self._process else 0


@dataclass
class Bridge:
    """A bridge under test: its n8n, its processes, and its store where that is one server.

    Of several `trees` the first process of a kind runs the first, the second the second, and each
    goes on to the next whenever it is started again.
    """

    n8n: Standin
    n8n_url: str
    http: httpx2.AsyncClient
    folder: Path
    environ: dict[str, str]
    trees: Sequence[Path] = (ROOT,)
    webs: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    valkey: EmbeddedValkey = field(init=False)

    async def add_web(self, point: str | None = None) -> Child:
        """Start one more web process on a port of its own; workers know the first one's."""
        port = {"BRIDGE_PORT": str(free_port())} if self.webs else {}
        environ = {**self.environ, **port}
        trees = self._trees_of(len(self.webs))
        web = Child(f"web-{len(self.webs)}", ("web",), environ, self.folder, self.answers, trees)
        self.webs.append(web)
        await web.start(point)
        return web

    async def add_worker(self, point: str | None = None, concurrency: int = 1000) -> Child:
        """Start one more worker."""
        name = f"worker-{len(self.workers)}"
        command = ("worker", "--concurrency", str(concurrency))
        trees = self._trees_of(len(self.workers))
        worker = Child(name, command, self.environ, self.folder, has_started, trees)
        self.workers.append(worker)
        await worker.start(point)
        return worker

    async def store_pid(self) -> int:
        """Ask the store for the id of its process."""
        async with Redis.from_url(self.valkey.url) as client:
            return int((await client.info("server"))["process_id"])

    async def kill_store(self) -> None:
        """End the store by SIGKILL."""
        os.kill(await self.store_pid(), signal.SIGKILL)
        await self.valkey.wait()

    @contextlib.asynccontextmanager
    async def claude(
        self, wire: Wire = "2026-07-28", spread: Spread | None = None
    ) -> AsyncIterator[Client]:
        """Connect a client to the first web process, or to all that `spread` names."""
        origin = self.webs[0].url
        async with claude(SERVER, TOKEN, wire, spread or Spread([origin]), origin) as client:
            yield client

    def request(self, method: str, **params: Any) -> httpx2.Request:
        """Write a request of the 2026 wire to the first web process."""
        return modern_request(self.webs[0].url, SERVER, TOKEN, method, **params)

    async def ask_the_doomed(self, tool: str, **arguments: Any) -> None:
        """Call a tool of the first web process, which is killed before it answers."""
        with pytest.raises(httpx2.RemoteProtocolError):
            await self.http.send(self.request("tools/call", name=tool, arguments=arguments))
        assert await self.webs[0].ended() == -signal.SIGKILL

    async def send(
        self, payload: object, *, key: str = "", reply_url: str = "", web: int = 0
    ) -> httpx2.Response:
        """Send a payload to the hook."""
        headers = {"authorization": f"Bearer {HOOK_TOKEN}"}
        headers |= {"idempotency-key": key} if key else {}
        headers |= {"bridge-reply-url": reply_url} if reply_url else {}
        return await self.http.post(self.webs[web].url + HOOK_PATH, json=payload, headers=headers)

    async def event(self, event_id: str) -> dict[str, Any]:
        """Read an event as its sender may."""
        headers = {"authorization": f"Bearer {HOOK_TOKEN}"}
        answer = await self.http.get(f"{self.webs[0].url}/events/{event_id}", headers=headers)
        event: dict[str, Any] = answer.raise_for_status().json()
        return event

    async def park(self, *suffixes: str) -> dict[str, str]:
        """Start an execution that waits, once for each suffix: its `id` and first `replyUrl`."""
        url = f"{self.n8n_url}/standin/executions"
        answer = await self.http.post(url, json={"suffixes": suffixes})
        parked: dict[str, str] = answer.raise_for_status().json()
        return parked

    def runs(self, label: str | None = None) -> list[Seen]:
        """Return the requests by which calls came to n8n, all or those of one label."""
        runs = [seen for seen in self.n8n.seen.of() if seen.path.startswith("/webhook/")]
        return [run for run in runs if label is None or label_of(run) == label]

    def last_words(self) -> str:
        """Return the end of every log."""
        logs = sorted([*self.folder.glob("*.log"), *self.folder.glob("valkey/*.log")])
        return "\n".join(f"--- {log.name}\n{end_of_text(log.read_text())}" for log in logs)

    def _trees_of(self, number: int) -> list[Path]:
        at = number % len(self.trees)
        return [*self.trees[at:], *self.trees[:at]]

    async def answers(self, web: Child) -> bool:
        """Report whether a web process is ready."""
        try:
            return (await self.http.get(f"{web.url}/readyz")).status_code == 200
        except httpx2.TransportError:
            return False


@contextlib.asynccontextmanager
async def running_bridge(
    folder: Path,
    changes: Mapping[str, Any] = types.MappingProxyType({}),
    /,
    *,
    webs: int = 1,
    workers: int = 1,
    **settings: str,
) -> AsyncIterator[Bridge]:
    """Run a bridge with these `BRIDGE_*` settings, and end all of it in the end.

    `changes` are the keys of its server file that are otherwise than `server_file` has them.
    When the block raises, what its processes logged last is added to the error.
    """
    async with contextlib.AsyncExitStack() as stack:
        n8n = await stack.enter_async_context(Standin(has_control=True))
        n8n_url = await stack.enter_async_context(serving_standin(n8n))
        valkey = await stack.enter_async_context(EmbeddedValkey(folder / "valkey"))
        http = await stack.enter_async_context(
            httpx2.AsyncClient(timeout=60, trust_env=False, limits=UNLIMITED)
        )
        environ = environment(folder, valkey.url, n8n_url, changes) | settings
        bridge = Bridge(n8n, n8n_url, http, folder, environ)
        bridge.valkey = valkey
        stack.push_async_callback(end, bridge)
        try:
            await asyncio.gather(
                *(bridge.add_web() for _ in range(webs)),
                *(bridge.add_worker() for _ in range(workers)),
            )
            yield bridge
        except BaseException as error:
            error.add_note(bridge.last_words())
            raise


async def end(bridge: Bridge) -> None:
    """End whatever still runs."""
    children = [*bridge.webs, *bridge.workers]
    for child in children:
        child.end()
    await asyncio.gather(*(child.ended() for child in children))


def environment(
    folder: Path,
    redis_url: str,
    n8n_url: str,
    changes: Mapping[str, Any] = types.MappingProxyType({}),
) -> dict[str, str]:
    """Return the environment of every process, with the server file that it names written."""
    servers = folder / "servers"
    servers.mkdir()
    (servers / f"{SERVER}.json").write_text(json.dumps({**server_file(n8n_url), **changes}))
    inherited = {name: value for name, value in os.environ.items() if "BRIDGE_" not in name}
    return {
        **inherited,
        "BRIDGE_REDIS_URL": redis_url,
        "BRIDGE_SERVERS": str(servers),
        "BRIDGE_N8N_URL": n8n_url,
        "BRIDGE_N8N_API_KEY": "any",
        "BRIDGE_PORT": str(free_port()),
        "PROOF_TOKEN": TOKEN,
        "PROOF_HOOK_TOKEN": HOOK_TOKEN,
    }


def server_file(n8n_url: str) -> dict[str, Any]:
    """Return one server: a hook, and workflows that differ in how they may be run and answer.

    `inline` and `joined` wait for the result, the others answer with a handle at once.
    """
    workflow = {
        "url": f"{n8n_url}/webhook/slow-tool",
        "input": {"type": "object"},
        "attach": False,
        "concurrency": 1000,
        "answer_inline_for": 0,
    }
    return {
        "name": SERVER,
        "tokens": ["env:PROOF_TOKEN"],
        "hooks": {"question": {"auth": {"bearer": "env:PROOF_HOOK_TOKEN"}}},
        "workflows": {
            "once": workflow,
            "repeatable": {**workflow, "annotations": {"idempotent": True}},
            "inline": {**workflow, "answer_inline_for": "2m"},
            "joined": {**workflow, "answer_inline_for": "2m", "attach": True},
            "asking": {
                **workflow,
                "url": f"{n8n_url}/webhook/tool-that-asks",
                "answer_inline_for": "2m",
            },
            "narrow": {**workflow, "concurrency": 3},
            "called_back": {
                **workflow,
                "url": f"{n8n_url}/webhook/callback-tool",
                "result": "callback",
            },
            "followed": {
                **workflow,
                "url": f"{n8n_url}/webhook/execution-tool",
                "result": "execution",
            },
        },
    }


def end_of_text(text: str) -> str:
    """Return the last lines of a text."""
    return "\n".join(text.splitlines()[-LAST_LINES:])


async def has_started(worker: Child) -> bool:
    """Report whether a worker takes jobs."""
    return '"worker.started"' in worker.log


def label_of(seen: Seen) -> object:
    """Report which call a request to n8n belongs to."""
    return seen.body.get("label") if isinstance(seen.body, dict) else None
