"""What one request runs through, by trace, is what docs/architecture.md lists for it."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from typing_extensions import override

from bridge.app import BridgeApp
from bridge.configuration.credentials import BearerAuth, Token
from bridge.configuration.servers import Hook, Server, Workflow
from bridge.configuration.settings import Settings
from bridge.log import JsonLines
from bridge.models import EventId, LeaseRef, LeaseToken, Principal
from bridge.runtime import Runtime
from bridge.store.keys import PREFIX
from tests.doors.by_hand import ALICE, N8N, Message, Modern, authorization, call
from tests.raw_server import RawServer, raw_server
from tests.serving import serving
from tests.traced import ROOT, Trace
from tests.waiting import wait_until
from tests.working import working

LETTER = {"letter": "Dear bridge"}
FIELDS = {
    "type": "object",
    "properties": {"letter": {"type": "string"}},
    "required": ["letter"],
}
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def desk(n8n: RawServer) -> Server:
    """Return a server with what most have: a token, and a hook and a workflow with schemas."""
    hook = Hook(
        description="Letters.",
        auth=(BearerAuth(token=SecretStr(N8N)),),
        payload=FIELDS,
        reply={"type": "object"},
    )
    workflow = Workflow(url=f"{n8n.url}/webhook/stamp", description="Stamps.", input=FIELDS)
    return Server(
        name="desk",
        tokens=(Token(name="alice", value=SecretStr(ALICE)),),
        hooks={"letters": hook},
        workflows={"stamp": workflow},
    )


@dataclass(frozen=True)
class TracedBridge:
    """A bridge in this process, n8n's part, and who asks; what it runs is traced when armed."""

    trace: Trace
    runtime: Runtime
    n8n: RawServer
    http: httpx2.AsyncClient
    web: str
    redis: Redis

    async def send(self, number: int) -> None:
        """Send an event as n8n's HTTP Request node does, with a key and a reply address."""
        headers = authorization(N8N) | {
            "idempotency-key": f"n8n_{number}",
            "bridge-reply-url": f"{self.n8n.url}/webhook-waiting/{number}/reply?signature=abc",
        }
        url = f"{self.web}/hooks/desk/letters"
        answer = await self.http.post(url, json=LETTER, headers=headers)
        assert answer.status_code == 202, answer.text

    async def ask(self, tool: str, **arguments: Any) -> Message:
        """Call a tool as alice, on the 2026 wire; return its structured content."""
        claude = Modern(self.http, f"{self.web}/mcp/desk")
        answer = (await claude.post(call(tool, **arguments))).json()
        content: Message = answer["result"]["structuredContent"]
        return content

    async def take(self, number: int) -> Message:
        """Send an event and take it."""
        await self.send(number)
        return await self.ask("take_event")

    async def reply(self, taken: Message) -> None:
        """Answer an event, as `reply_to_event` does at its first hop."""
        held = LeaseRef(
            EventId(taken["event_id"]), LeaseToken(taken["lease"]), Principal("desk", "alice")
        )
        await self.runtime.mcp.events.reply(
            self.runtime.mcp.servers["desk"], held, {"thanks": "yes"}
        )

    async def is_delivered(self, taken: Message) -> bool:
        """Report whether n8n's having taken the reply to an event is on record."""
        stands = await self.redis.hget(f"{PREFIX}reply:{taken['event_id']}", "status")
        return bool(stands == b"delivered")


@contextlib.contextmanager
def logged() -> Iterator[None]:
    """Format log lines as a process does while the block lasts."""

    class Formats(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            self.format(record)

    handler, ours = Formats(), logging.getLogger("bridge")
    handler.setFormatter(JsonLines())
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)


@pytest.fixture
async def bridge(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[TracedBridge]:
    """Run a web process, and a worker for what needs one: a worker is never idle."""
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(logged())
        trace = stack.enter_context(Trace())
        n8n = await stack.enter_async_context(raw_server())
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=20))
        redis = await stack.enter_async_context(Redis.from_url(redis_url))
        settings = Settings(redis_url=redis_url, n8n_url=n8n.url)
        app = BridgeApp(settings, {"desk": desk(n8n)})
        web = await stack.enter_async_context(serving(app))
        if "worker" in request.param:
            await stack.enter_async_context(working(settings, desk(n8n)))
        yield TracedBridge(trace, app.runtime, n8n, http, web, redis)


with_web = pytest.mark.parametrize("bridge", ["web"], indirect=True)
with_worker = pytest.mark.parametrize("bridge", ["web and worker"], indirect=True)


async def begun(work: Coroutine[Any, Any, None]) -> None:
    """Do in a task of its own what shall be traced though the test calls it."""
    await asyncio.create_task(work)


def check(journey: str, files: set[str]) -> None:
    """Check that the page lists these files for a journey, and no others."""
    listed = dict(
        re.findall(r"^```\n([^\n]+): (\d+ files\n.+?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
    )
    assert listed.get(journey) == listing(files), f"{journey}: {listing(files)}"


def listing(files: set[str]) -> str:
    """Write files as the page does: how many, and a line a folder."""
    paths = sorted((Path(file).parent.as_posix(), Path(file).stem) for file in files)
    lines = [
        f"{folder + '/':<22}{' '.join(stem for _, stem in of_folder)}"
        for folder, of_folder in groupby(paths, key=lambda path: path[0])
    ]
    return "\n".join([f"{len(files)} files", *lines])


TIMES = 3
"""How often each journey is made: a process is started once, and asked for months."""


@with_web
async def test_a_hook_runs_through_the_files_that_are_listed(bridge: TracedBridge) -> None:
    for number in range(TIMES):
        with bridge.trace.armed():
            await bridge.send(number)
    check("a hook, to its 202", bridge.trace.files)


@with_web
async def test_take_event_runs_through_the_files_that_are_listed(bridge: TracedBridge) -> None:
    for number in range(TIMES):
        await bridge.send(number)
        with bridge.trace.armed():
            taken = await bridge.ask("take_event")
        assert taken["event_id"]
    check("take_event, on the 2026 wire", bridge.trace.files)


@with_worker
async def test_a_workflow_call_runs_through_the_files_that_are_listed(
    bridge: TracedBridge,
) -> None:
    for number in range(TIMES):
        with bridge.trace.armed():
            answer = await bridge.ask("stamp", letter=f"{number}")
        assert answer == {}
    check("a workflow call, there and back", bridge.trace.files)


@with_worker
async def test_a_reply_runs_through_the_files_that_are_listed(bridge: TracedBridge) -> None:
    """From the verb on: what is before it, `take_event` runs through as well."""
    for number in range(TIMES):
        taken = await bridge.take(number)
        with bridge.trace.armed():
            await begun(bridge.reply(taken))
            await wait_until(lambda: bridge.is_delivered(taken), "n8n has the reply")  # noqa: B023
    check("a reply, from its verb to n8n's answer", bridge.trace.files)
