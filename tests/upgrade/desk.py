"""One web process as n8n and Claude meet it, over connections of their own."""

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from redis.asyncio import Redis

from bridge.standin.seen import Seen
from bridge.store.keys import PREFIX
from tests.bridge_processes import Bridge
from tests.doors.by_hand import (
    ALICE,
    N8N,
    Message,
    Modern,
    Session,
    authorization,
    call,
    messages,
    open_session,
)
from tests.journeys import LEAST_S
from tests.upgrade.server_file import SERVER_HEADER
from tests.waiting import wait_until

PATIENCE_S = 30.0
"""The longest that anything takes here: mostly the seconds after which a process counts as dead."""


@dataclass(frozen=True)
class Question:
    """An execution of n8n that has asked, and waits for the reply."""

    execution_id: str
    event_id: str


@dataclass(frozen=True)
class Desk:
    """A server of the bridge at the address of one web process."""

    bridge: Bridge
    http: httpx2.AsyncClient
    origin: str
    server: str
    tree: Path
    token: str = ALICE
    capabilities: Message = field(default_factory=dict)

    # n8n's side

    async def send(self, hook: str, payload: object, **headers: str) -> httpx2.Response:
        """Send a payload to a hook; underscores in names of headers stand for dashes."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        url = f"{self.origin}/hooks/{self.server}/{hook}"
        return await self.http.post(url, json=payload, headers=authorization(N8N) | named)

    async def sent(self, hook: str, payload: object, **headers: str) -> str:
        """Send a payload that is new; return the id of its event."""
        answer = await self.send(hook, payload, **headers)
        assert answer.status_code == 202, answer.text
        event_id: str = answer.json()["event_id"]
        return event_id

    async def ask(self, hook: str, payload: object = "?") -> Question:
        """Have an execution ask, and wait for the reply."""
        parked = await self.bridge.park("reply", "again")
        event_id = await self.sent(hook, payload, bridge_reply_url=parked["replyUrl"])
        return Question(parked["id"], event_id)

    async def event(self, event_id: str) -> Message:
        """Read an event as its sender may."""
        url = f"{self.origin}/events/{event_id}"
        answer = await self.http.get(url, headers=authorization(N8N))
        event: Message = answer.raise_for_status().json()
        return event

    async def replied(self, question: Question, value: object) -> None:
        """Wait until an execution has its reply; it must have come once."""

        await self.reply_is(question.event_id, "delivered")
        execution = self.bridge.n8n.executions.find(question.execution_id)
        assert execution is not None
        assert execution.resumed_with == value
        path = f"/webhook-waiting/{question.execution_id}/reply"
        taken = [seen for seen in self.bridge.n8n.seen.of(path) if seen.outcome == 200]
        assert len(taken) == 1

    async def reply_is(self, event_id: str, status: str) -> None:
        """Wait until the reply to an event stands so."""

        async def stands_so() -> bool:
            return bool((await self.event(event_id))["reply"]["status"] == status)

        await wait_until(stands_so, f"the reply is {status}", PATIENCE_S)

    async def redrive(self, event_id: str) -> None:
        """Put back what was set aside of an event."""
        answer = await self.http.post(f"{self.origin}/events/{event_id}/redrive")
        assert answer.status_code == 200, answer.text

    # Claude's side

    @property
    def claude(self) -> Modern:
        """Return a client of the 2026 wire."""
        url = f"{self.origin}/mcp/{self.server}"
        return Modern(self.http, url, self.token, self.capabilities)

    async def session(self, wire: str = "mcp-2025") -> Session:
        """Open a session of a 2025 wire."""
        return await open_session(self.http, f"{self.origin}/{wire}/{self.server}")

    async def answer(self, message: Message) -> Message:
        """Send a request on the 2026 wire; return the answer."""
        async with self.claude.stream(message) as response:
            if response.headers["content-type"].startswith("application/json"):
                told: Message = json.loads(await response.aread())
                return told
            async with contextlib.aclosing(messages(response)) as stream:
                async for event in stream:
                    if event.message.get("id") == message["id"]:
                        return event.message
        raise AssertionError(f"no answer to {message}")

    async def use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Use a tool, which must succeed; return its structured result."""
        answer = await self.answer(call(tool, **arguments))
        assert "result" in answer, answer
        assert not answer["result"].get("isError"), answer
        told: dict[str, Any] = answer["result"]["structuredContent"]
        return told

    async def take(self, hook: str, wait_seconds: float = PATIENCE_S) -> dict[str, Any]:
        """Take the oldest event of a hook, once there is one."""
        event = await self.use("take_event", hook=hook, wait_seconds=wait_seconds)
        assert event["event_id"], f"nothing came on {hook}"
        return event

    async def reply(self, event: Message, value: object) -> None:
        """Answer an event that was taken."""
        right = {"event_id": event["event_id"], "lease": event["lease"]}
        await self.use("reply_to_event", **right, reply=value)

    async def has_events(self, hook: str) -> bool:
        """Report whether events wait on a hook."""
        return bool((await self.use("list_events", hook=hook))["events"])

    async def has_takers(self, hook: str) -> bool:
        """Report whether somebody waits for an event of a hook, at whatever process."""
        async with Redis.from_url(self.bridge.valkey.url) as redis:
            return bool(await redis.exists(f"{PREFIX}line:{self.server}:hook-{hook}"))

    async def start(self, workflow: str, label: str, **more: Any) -> str:
        """Start a workflow whose tool answers with a handle at once; return the id of the call."""
        told = await self.use(workflow, **{"label": label, "seconds": LEAST_S} | more)
        call_id: str = told["call_id"]
        return call_id

    async def end_of(self, call_id: str) -> dict[str, Any]:
        """Wait for the end of a call, and read it."""
        return await self.use("read_call", call_id=call_id, wait_seconds=PATIENCE_S)

    def requests(self, label: str) -> list[Seen]:
        """List the requests by which the server's call of a label came to n8n."""
        seen = self.bridge.runs(label)
        return [each for each in seen if each.headers[SERVER_HEADER] == self.server]

    def runs(self, label: str) -> int:
        """Count how often n8n was asked to run the server's call of a label."""
        return len(self.requests(label))

    async def running(self, label: str) -> None:
        """Wait until n8n runs the call of a label."""
        await wait_until(lambda: self.runs(label), f"n8n runs {label}", PATIENCE_S)
