"""What rows are played on: a durable Valkey, a stand-in for n8n, and what a row starts there."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from redis.asyncio import Redis

from bridge.local.ports import free_port
from bridge.local.valkey import EmbeddedValkey
from tests.bench.environments import python_of
from tests.bench.program import ROOT, Program, running

SERVERS = Path(__file__).parent / "servers"
TOKEN = "the-bench-asks-as-claude"
CLAUDE_NAME = "BRIDGE_DEMO_TOKEN"
"""Whose token that is, to the bridge."""

HOOK_TOKEN = "the-bench-asks-as-n8n"
CLAUDE = {"authorization": f"Bearer {TOKEN}"}
N8N = {"authorization": f"Bearer {HOOK_TOKEN}"}


@dataclass(frozen=True)
class Stage:
    """One row's Valkey and stand-in, and the way to start more beside them."""

    directory: Path
    redis_url: str
    n8n_url: str
    valkey_pid: int
    n8n_pid: int

    def web(self, *program: str, **settings: str) -> AbstractAsyncContextManager[Program]:
        """Start a web process, by another module than `bridge` if one is named."""
        port = free_port()
        environ = self._environ | {"BRIDGE_PORT": str(port)} | settings
        return self._running(*(program or ("bridge",)), "web", environ=environ, port=port)

    def worker(
        self, *program: str, options: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[Program]:
        """Start a worker process, likewise."""
        command = (*(program or ("bridge",)), "worker", *options)
        return self._running(*command, environ=self._environ)

    def peer(self, name: str, *arguments: str) -> AbstractAsyncContextManager[Program]:
        """Start one of the servers in `tests/bench/peers`: it is told its port, then the rest."""
        port = free_port()
        return self._running(
            f"tests.bench.peers.{name}", str(port), *arguments, environ={}, port=port
        )

    @contextlib.asynccontextmanager
    async def foreign(
        self, peer: str, module: str, *arguments: str, **environ: str
    ) -> AsyncIterator[Program]:
        """Start a module in the environment of a peer; `{port}` in an argument is its port."""
        port, python = free_port(), await python_of(peer)
        told = [argument.format(port=port) for argument in arguments]
        log = self.directory / f"{peer}.log"
        async with running(
            module, *told, environ=environ, log=log, port=port, python=python
        ) as program:
            yield program

    def pool(self, workers: int, queue: str) -> AbstractAsyncContextManager[Program]:
        """Start stock RQ workers on a queue."""
        options = ("--num-workers", str(workers), "--serializer", "json", "--quiet")
        return self._running(
            "rq.cli", "worker-pool", *options, "--url", self.redis_url, queue, environ={}
        )

    def redis(self) -> Redis:
        """Connect to Valkey; the caller closes it."""
        return Redis.from_url(self.redis_url)

    async def clear(self) -> None:
        """Forget all that Valkey holds, so that no round is slower for what an earlier one left."""
        async with self.redis() as client:
            await client.flushall()

    def at(self, n8n_url: str) -> "Stage":
        """Have the bridge run its workflows in another n8n."""
        return replace(self, n8n_url=n8n_url)

    @property
    def _environ(self) -> dict[str, str]:
        return {
            "BRIDGE_REDIS_URL": self.redis_url,
            "BRIDGE_N8N_URL": self.n8n_url,
            "BRIDGE_SERVERS": str(SERVERS),
            "BRIDGE_DATA_DIR": str(self.directory),
            # One token holds all streams of a row, and a few that stall beside them.
            "BRIDGE_STREAMS_MAX": "20000",
            "BRIDGE_PRINCIPAL_SESSIONS_MAX": "200000",
            "BRIDGE_SESSIONS_MAX": "200000",
            "BRIDGE_DEMO_TOKEN": TOKEN,
            "BRIDGE_DEMO_HOOK_TOKEN": HOOK_TOKEN,
        }

    def _running(
        self, *command: str, environ: Mapping[str, str], port: int = 0
    ) -> AbstractAsyncContextManager[Program]:
        log = self.directory / "programs.log"
        return running(*command, environ=environ, log=log, port=port)


@contextlib.asynccontextmanager
async def set_up() -> AsyncIterator[Stage]:
    """Set up a stage of its own for one row, on the disk that the project is on."""
    data = ROOT / ".data"
    data.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=data) as name:
        directory, port = Path(name), free_port()
        log = directory / "standin.log"
        standin = running("bridge", "standin", "--port", str(port), environ={}, log=log, port=port)
        async with (
            EmbeddedValkey(directory / "valkey") as valkey,
            standin as n8n,
            Redis.from_url(valkey.url) as client,
        ):
            pid = (await client.info("server"))["process_id"]
            yield Stage(directory, valkey.url, f"http://127.0.0.1:{port}", pid, n8n.pid)
