"""The same call over others that outlive a process, or route to webhooks as a product."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from typing_extensions import override

from tests.bench.connection import Connection
from tests.bench.figures import Figure, Row
from tests.bench.load import Question, Side, Work, figures_of, in_turns
from tests.bench.program import Program
from tests.bench.scale import Scale
from tests.bench.stage import Stage, set_up
from tests.bench.tool_call import STATELESS_VERSION, calls, framed

TASKS, FORGE = "fastmcp tasks on Redis", "ContextForge, a REST tool"
EXTENSIONS: Mapping[str, object] = {"io.modelcontextprotocol/tasks": {}}
POLL_S = 0.02
TASK_S = 30.0
"""How long a task that does nothing may take: one that stays `working` ends the row."""
TASK_CONNECTIONS = 1000
"""With the 100 that are the default, docket runs out of connections to Redis at 50 calls at once:
its worker then stops for some seconds, and a task that it had begun stays `working`."""
GOALS = {50: {TASKS: 3.0, FORGE: 2.0}}
SECRET = "what-the-bench-signs-and-seals-with-0123456789"
FORGE_SETTINGS = {
    "AUTH_REQUIRED": "false",
    "ALLOW_UNAUTHENTICATED_ADMIN": "true",
    "JWT_SECRET_KEY": SECRET,
    "AUTH_ENCRYPTION_SECRET": SECRET[::-1],
    "BASIC_AUTH_PASSWORD": "Of-the-bench-1!",
    "PLATFORM_ADMIN_PASSWORD": "Of-the-bench-1!",
    "RATE_LIMITING_ENABLED": "false",
    "TOOL_RATE_LIMIT": "1000000",
    "SSRF_ALLOW_LOCALHOST": "true",
    "CACHE_TYPE": "memory",
    "LOG_LEVEL": "CRITICAL",
    "PLUGINS_ENABLED": "false",
    "JSON_RESPONSE_ENABLED": "true",
    "USE_STATEFUL_SESSIONS": "false",
}


@dataclass(frozen=True)
class TaskQuestion(Work):
    """A call that is answered with a task, which is asked after until it has its result."""

    count: int

    @override
    async def done(self, connection: Connection) -> bytes:
        label = f"task-{self.count}-of-the-bench"
        params = {"name": "slow_tool", "arguments": {"seconds": 0, "label": label}}
        task = await self._ask(connection, "tools/call", "slow_tool", params)
        of_it = {"taskId": task["taskId"]}
        async with asyncio.timeout(TASK_S):
            while True:
                now = await self._ask(connection, "tasks/get", task["taskId"], of_it)
                if now["status"] != "working":
                    assert now["result"]["structuredContent"]["label"] == label
                    return b""
                await asyncio.sleep(POLL_S)

    async def _ask(
        self, connection: Connection, method: str, name: str, params: Mapping[str, object]
    ) -> Any:
        request = framed("/mcp", method, name, self.count, params, extensions=EXTENSIONS)
        answer = await Question(request, 200, b'"result"').done(connection)
        return json.loads(answer.rpartition(b"data: ")[2])["result"]


async def measure(scale: Scale) -> Row:
    """Call the stand-in's workflow over the bridge, over tasks of fastmcp, over ContextForge."""
    figures: list[Figure] = []
    async with (
        set_up() as stage,
        stage.web() as web,
        stage.worker() as worker,
        _tasks(stage) as tasks,
        _forge(stage) as forge,
    ):
        pids = (web.pid, worker.pid, stage.valkey_pid)
        sides = (
            Side("bridge", web.port, calls("/mcp/demo", "slow_tool"), pids),
            Side(TASKS, tasks.port, _task_questions(), (tasks.pid, stage.valkey_pid)),
            Side(FORGE, forge.port, _forge_questions(), (forge.pid,)),
        )
        for clients in scale.sessions:
            ours, *others = await in_turns(sides, clients, scale)
            for side, theirs in zip(sides[1:], others, strict=True):
                goal = GOALS.get(clients, {}).get(side.name)
                goals = {"per_s": goal} if goal else {}
                measures = ("per_s", "p50_ms", "cpu_ms")
                what = f"{clients} at once: calls"
                figures += figures_of(what, ours, side.name, theirs, measures, **goals)
    return Row(
        "The same call over its durable peers",
        "The same workflow of the same stand-in. Tasks of fastmcp: `fastmcp[tasks]` 4.1.2 on the "
        "same Valkey, docket's worker in its process with room for 100 tasks, the client asks "
        "after its task every 20 ms. ContextForge: `mcp-contextforge-gateway` 1.0.7 with SQLite, "
        "one process, its limits of rate and its plugins off.",
        figures,
        (
            "Clients of fastmcp are advised to ask every 5 s (`pollIntervalMs`); here they ask as "
            "often as helps the peer. ContextForge keeps no call: it is here as the product that "
            "routes to REST tools.",
        ),
    )


@contextlib.asynccontextmanager
async def _tasks(stage: Stage) -> AsyncIterator[Program]:
    separator = "&" if "?" in stage.redis_url else "?"
    settings = {
        "FASTMCP_DOCKET_URL": f"{stage.redis_url}{separator}max_connections={TASK_CONNECTIONS}",
        "FASTMCP_DOCKET_CONCURRENCY": "100",
    }
    module = "tests.bench.peers.tasks"
    async with stage.foreign("tasks", module, "{port}", stage.n8n_url, **settings) as program:
        yield program


@contextlib.asynccontextmanager
async def _forge(stage: Stage) -> AsyncIterator[Program]:
    """Run ContextForge with one tool, the webhook."""
    settings = FORGE_SETTINGS | {"DATABASE_URL": f"sqlite:///{stage.directory}/forge.db"}
    arguments = ("mcpgateway.main:app", "--port", "{port}", "--log-level", "error")
    async with (
        stage.foreign(
            "contextforge", "uvicorn", *arguments, "--no-access-log", **settings
        ) as program,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{program.port}", timeout=30) as http,
    ):
        properties = {"seconds": {"type": "number"}, "label": {"type": "string"}}
        tool = {
            "name": "slow_tool",
            "url": f"{stage.n8n_url}/webhook/slow-tool",
            "integration_type": "REST",
            "request_type": "POST",
            "input_schema": {"type": "object", "properties": properties},
        }
        (await http.post("/tools", json={"tool": tool})).raise_for_status()
        yield program


def _task_questions() -> Iterator[TaskQuestion]:
    return map(TaskQuestion, itertools.count(1))


def _forge_questions() -> Iterator[Question]:
    return calls("/mcp/", "slow-tool", version=STATELESS_VERSION)
