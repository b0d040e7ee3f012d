"""The units of work that are counted, and how each is done."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

from redis.asyncio import Redis

from bridge.local.die_with_parent import tied_to_parent
from bridge.queue import QUEUE_NAME
from tests.bench.connection import Connection, spell
from tests.bench.counting import Counts, ValkeyCounter, between, counted, least
from tests.bench.ingest import PAYLOAD
from tests.bench.listeners import KEEPALIVE, KINDS, OPENING, Kind
from tests.bench.listeners import streams as idle
from tests.bench.load import Question
from tests.bench.program import ROOT, Program
from tests.bench.stage import HOOK_TOKEN, N8N, Stage, set_up
from tests.bench.streams import session
from tests.bench.tool_call import calls, spelled
from tests.waiting import wait_until

HOOK = Question(spell("POST", "/hooks/demo/question", N8N, PAYLOAD), 202, b'"queued"')
INSIDE = "tests.bench.inside"
ROUNDS, WARM = 7, 10
SOME = {"hook": 80, "call": 8}
"""Units of work between two looks into a process."""

AT_ONCE, EACH = 50, 4
STREAMS, KEEPALIVES, KEPT = 100, 3, 400

Unit = Callable[[], Awaitable[None]]


async def traffic() -> Mapping[str, Counts]:
    """Count what Valkey does for a reply, and for a hook and a call, alone and among others."""
    async with _warm() as (stage, web, counter):
        one = await Connection.open(web.port)
        many = [await Connection.open(web.port) for _ in range(AT_ONCE)]
        questions = calls("/mcp/demo", "slow_tool")
        reply = Replies(stage, web.port)

        async def hook() -> None:
            await HOOK.done(one)

        async def some_calls() -> None:
            for _ in range(SOME["call"]):
                await next(questions).done(one)

        async def many_calls() -> None:
            async def some(connection: Connection) -> None:
                for _ in range(EACH):
                    await next(questions).done(connection)

            await asyncio.gather(*(some(connection) for connection in many))

        async def many_hooks() -> None:
            async def some(connection: Connection) -> None:
                for _ in range(EACH):
                    await HOOK.done(connection)

            await asyncio.gather(*(some(connection) for connection in many))

        await many_calls()
        found = {
            "call": await counted(counter, some_calls, ROUNDS, SOME["call"]),
            "call_among_50": await counted(counter, many_calls, 3, AT_ONCE * EACH),
            "hook": await counted(counter, hook, ROUNDS),
            "hook_among_50": await counted(counter, many_hooks, 3, AT_ONCE * EACH),
        }
        await stage.clear()
        return found | {"reply": await reply.counted(counter)}


@contextlib.asynccontextmanager
async def _warm() -> AsyncIterator[tuple[Stage, Program, ValkeyCounter]]:
    """Run a web process and a worker that have done all of it before."""
    async with (
        set_up() as stage,
        stage.web() as web,
        stage.worker(),
        Redis.from_url(stage.redis_url) as redis,
    ):
        connection = await Connection.open(web.port)
        for question in itertools.islice(calls("/mcp/demo", "slow_tool"), WARM):
            await question.done(connection)
        connection.close()
        yield stage, web, await ValkeyCounter.of(redis)


class Replies:
    """Events that a workflow waits for: each is taken, answered, and its answer delivered."""

    def __init__(self, stage: Stage, web_port: int) -> None:
        self._n8n_host = stage.n8n_url.removeprefix("http://")
        self._web_port = web_port

    async def counted(self, counter: ValkeyCounter) -> Counts:
        """Count from the taking to the moment when the workflow has gone on."""
        samples = []
        for _ in range(ROUNDS):
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(self._ask())
                await counter.settled()
                before = await counter.settled()
                await self._take_and_reply()
                await asked
            samples.append(between(before, await counter.settled()))
        return least(samples)

    async def _ask(self) -> None:
        """Run the workflow that asks over a hook and waits for the answer."""
        body = {"port": self._web_port, "token": HOOK_TOKEN, "question": "Which plan?"}
        request = spell("POST", "/webhook/ask-claude", {"host": self._n8n_host}, body)
        connection = await Connection.open(int(self._n8n_host.partition(":")[2]))
        await Question(request, 200, b"The team's.").done(connection)
        connection.close()

    async def _take_and_reply(self) -> None:
        connection = await Connection.open(self._web_port)
        took = spelled("/mcp/demo", "take_event", 1, {"wait_seconds": 5})
        taken = json.loads(await Question(took, 200, b'"lease"').done(connection))
        event = taken["result"]["structuredContent"]
        arguments = {
            "event_id": event["event_id"],
            "lease": event["lease"],
            "reply": {"answer": "The team's."},
        }
        replied = spelled("/mcp/demo", "reply_to_event", 2, arguments)
        await Question(replied, 200, b'"answered"').done(connection)
        connection.close()


async def processes() -> Mapping[str, Counts]:
    """Count what the processes themselves do for a hook request and a call, and what they load."""
    async with set_up() as stage:
        web_file, worker_file = stage.directory / "web.counts", stage.directory / "worker.counts"
        async with (
            stage.web(INSIDE, str(web_file)) as web,
            stage.worker(INSIDE, str(worker_file)) as worker,
        ):
            connection = await Connection.open(web.port)
            questions = calls("/mcp/demo", "slow_tool")
            inside = {web.pid: web_file, worker.pid: worker_file}

            async def hook() -> None:
                await HOOK.done(connection)

            async def call() -> None:
                await next(questions).done(connection)

            called = await _looked_inside(call, inside, SOME["call"])
            hooks = await _looked_inside(hook, {web.pid: web_file}, SOME["hook"])
            in_hooks, in_web, in_worker = hooks[web.pid], called[web.pid], called[worker.pid]
    return {
        "hook": {
            "function_calls": in_hooks["calls"],
            "blocks_left": max(0, in_hooks["blocks"]),
        },
        "call": {"function_calls": in_web["calls"] + in_worker["calls"]},
        "start_web": {"modules": in_web["modules"]},
        "start_worker": {"modules": in_worker["modules"]},
        "start_help": {"modules": (await _help())["modules"]},
    }


async def _looked_inside(unit: Unit, inside: Mapping[int, Path], some: int) -> Mapping[int, Counts]:
    """Do a unit so many times a round; return the least that each process has counted of one."""
    for _ in range(WARM):
        await unit()
    await _reports(inside)
    rounds = []
    for _ in range(ROUNDS):
        for _ in range(some):
            await unit()
        rounds.append(await _reports(inside))
    return {
        pid: {
            "calls": min(each[pid]["calls"] for each in rounds) / some,
            "blocks": min(each[pid]["blocks"] for each in rounds) / some,
            "modules": max(each[pid]["modules"] for each in rounds),
        }
        for pid in inside
    }


async def _reports(inside: Mapping[int, Path]) -> Mapping[int, Counts]:
    before = {pid: len(_lines(file)) for pid, file in inside.items()}
    for pid in inside:
        os.kill(pid, signal.SIGUSR1)
    for pid, file in inside.items():
        await wait_until(lambda: len(_lines(file)) > before[pid], "the process has counted")  # noqa: B023 - asked at once
    return {pid: _lines(file)[-1] for pid, file in inside.items()}


def _lines(file: Path) -> list[Counts]:
    text = file.read_text() if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


async def _help() -> Counts:
    """Count what `n8n-bridge --help` loads."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "help.counts"
        process = await asyncio.create_subprocess_exec(
            *tied_to_parent(sys.executable, "-m", INSIDE, str(file), "--help"),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await process.wait() == 0
        return _lines(file)[-1]


async def streams() -> Mapping[str, Counts]:
    """Count what Valkey does for a standing stream that nothing happens on, a keepalive."""
    async with (
        set_up() as stage,
        stage.web(BRIDGE_KEEPALIVE_S="0.5") as web,
        Redis.from_url(stage.redis_url) as redis,
    ):
        counter = await ValkeyCounter.of(redis)
        poster = await Connection.open(web.port)
        async with session(web.port, poster) as only:
            alone = await _idle(counter, [only])
        async with contextlib.AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(session(web.port, poster)) for _ in range(STREAMS)
            ]
            together = await _idle(counter, opened)
    more = (STREAMS - 1) * KEEPALIVES
    kept = {name: max(0, (together[name] - alone[name]) / more) for name in alone}
    return {"stream_keepalive": {name: round(value, 1) for name, value in kept.items()}}


async def _idle(counter: ValkeyCounter, opened: list[asyncio.StreamReader]) -> Counts:
    """Count from one keepalive on all streams until each has had some more."""

    async def heard(stream: asyncio.StreamReader, times: int) -> None:
        while times:
            times -= KEEPALIVE in await stream.readline()

    await asyncio.gather(*(heard(stream, 1) for stream in opened))
    before = await counter.read()
    await asyncio.gather(*(heard(stream, KEEPALIVES) for stream in opened))
    return between(before, await counter.read())


async def memory() -> Mapping[str, Counts]:
    """Count what a web process keeps for a stream of each kind that nothing happens on."""
    async with set_up() as stage:
        return {name: await _kept(stage, kind) for name, kind in KINDS.items()}


async def _kept(stage: Stage, kind: Kind) -> Counts:
    """Open some streams first: they bring what the process keeps for all."""
    file = stage.directory / "web.counts"
    async with (
        stage.web(INSIDE, str(file), BRIDGE_KEEPALIVE_S="1") as web,
        idle(web.port, OPENING, kind),
    ):
        await _reports({web.pid: file})
        async with idle(web.port, OPENING, kind):
            await _reports({web.pid: file})
            async with idle(web.port, KEPT, kind):
                kept = (await _reports({web.pid: file}))[web.pid]
    return {"kept_bytes": kept["kept_bytes"] / KEPT}


async def waiting_calls() -> Mapping[str, Counts]:
    """Count what a worker keeps for a call that waits for n8n."""
    async with set_up() as stage, stage.web() as web, stage.redis() as redis:
        file = stage.directory / "worker.counts"
        async with stage.worker(INSIDE, str(file)) as worker:
            one = await Connection.open(web.port)
            for question in itertools.islice(calls("/mcp/demo", "slow_tool"), WARM):
                await question.done(one)
            one.close()
            await _reports({worker.pid: file})
            async with _waiting(web.port, redis):
                kept = (await _reports({worker.pid: file}))[worker.pid]
    return {"waiting_call": {"kept_bytes": kept["kept_bytes"] / KEPT}}


@contextlib.asynccontextmanager
async def _waiting(port: int, redis: Redis) -> AsyncIterator[None]:
    """Have calls wait for n8n, all of which RQ has been told of."""
    opened = [await Connection.open(port) for _ in range(KEPT)]
    questions = calls("/mcp/demo", "slow_tool", 120)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(next(questions).done(connection)) for connection in opened]

        async def all_run() -> bool:
            return int(await redis.zcard(f"rq:wip:{QUEUE_NAME}")) == KEPT

        await wait_until(all_run, "all calls wait", 30)
        await (await ValkeyCounter.of(redis)).settled()
        yield
        for each in asked:
            each.cancel()
    for connection in opened:
        connection.close()


GROUPS: Mapping[str, Callable[[], Awaitable[Mapping[str, Counts]]]] = {
    "traffic": traffic,
    "processes": processes,
    "streams": streams,
    "memory": memory,
    "waiting": waiting_calls,
}
"""What is counted together, on one stage."""
