"""n8n asks and waits, Claude answers: every event is sent until it is accepted, then left alone."""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.bridge_processes import HOOK_TOKEN, Bridge
from tests.chaos.asking import Ask, Claude, Client
from tests.chaos.book import Book, EventRecord
from tests.chaos.insisting import PAUSE_S, insist
from tests.chaos.server_file import SERVER

SENT_TWICE = 0.2
"""The share of events that two executions of a retry send at once."""

HOOK = f"/hooks/{SERVER}/question"
WAIT_S = 5


@dataclass
class Sender:
    """One n8n that parks an execution and asks, again and again."""

    client: Client
    bridge: Bridge
    book: Book

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until told to stop."""
        number = 0
        while not stop.is_set():
            number += 1
            await self._ask(f"{self.client.name}/{number}")
            await asyncio.sleep(self.client.random.uniform(0, 1))

    async def _ask(self, key: str) -> None:
        parked = await self._park()
        event = self.book.events[key] = EventRecord(key, parked["id"])
        times = 2 if self.client.random.random() < SENT_TWICE else 1
        await asyncio.gather(*(self._send(event, parked["replyUrl"]) for _ in range(times)))

    async def _park(self) -> dict[str, str]:
        while True:
            with contextlib.suppress(httpx2.TransportError):  # n8n is just starting again
                return await self.bridge.park("reply", "again")
            await asyncio.sleep(PAUSE_S)

    async def _send(self, event: EventRecord, reply_url: str) -> None:
        headers = {
            "authorization": f"Bearer {HOOK_TOKEN}",
            "idempotency-key": event.key,
            "bridge-reply-url": reply_url,
        }
        while True:
            try:
                answer = await self.client.http.post(
                    self.client.origin + HOOK, json={"to": event.key}, headers=headers
                )
            except httpx2.TransportError:
                self.book.dropped["hook: DroppedError"] += 1
            else:
                if answer.is_success:
                    self.book.accept_event(event, answer.json()["event_id"])
                    return
                self.book.dropped[f"hook: HTTP {answer.status_code}"] += 1
            await asyncio.sleep(PAUSE_S)


@dataclass
class Taker:
    """One Claude that takes events and answers them, till it is ended."""

    client: Client
    claude: Claude
    wire: str
    book: Book

    async def run(self) -> None:
        """Take and answer for ever."""
        while True:
            taken = await self._use("take_event", wait_seconds=WAIT_S)
            if taken.get("event_id"):
                reply = {"to": taken["payload"]["to"], "said": secrets.token_hex(8)}
                right = {"event_id": taken["event_id"], "lease": taken["lease"]}
                await self._use("reply_to_event", **right, reply=reply)

    async def _use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Use a tool; a lease that went to another taker meanwhile is no failure of the bridge."""
        return (await insist(self.claude, self.wire, Ask(tool, arguments), self.book)).content
