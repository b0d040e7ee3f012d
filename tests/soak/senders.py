"""n8n asks: some executions wait for a reply, some senders on the connection."""

from collections import Counter
from dataclasses import dataclass, field

import httpx2

from tests.bridge_processes import HOOK_TOKEN, Bridge
from tests.chaos.asking import Client
from tests.chaos.book import Book, EventRecord
from tests.chaos.questions import HOOK
from tests.doors.by_hand import Message

PREFER_S = 60


@dataclass
class SteadySender:
    """Sends events without an `Idempotency-Key`: those are kept for a day, longer than a soak."""

    client: Client
    bridge: Bridge
    book: Book
    answered: Counter[str] = field(default_factory=Counter)
    """How often each event that was waited for was answered, by its key."""

    async def ask(self, number: int) -> None:
        """Send every second event for an execution that waits, the others with Prefer: wait."""
        key = f"{self.client.name}/{number}"
        try:
            if number % 2:
                await self._wait(self._record(key, key))
            else:
                parked = await self.bridge.park("reply")
                event = self._record(key, parked["id"])
                await self._post(event, 202, {"bridge-reply-url": parked["replyUrl"]})
        except httpx2.TransportError as error:  # what was not accepted is not asked for again
            self.book.dropped[f"hook: {type(error).__name__}"] += 1

    def _record(self, key: str, execution_id: str) -> EventRecord:
        event = self.book.events[key] = EventRecord(key, execution_id)
        return event

    async def _wait(self, event: EventRecord) -> None:
        answer = await self._post(event, 200, {"prefer": f"wait={PREFER_S}"})
        if answer is not None:
            self.answered[event.key] += 1
            if answer["reply"]["to"] != event.key:
                self.book.wrong.append(f"{event.key} was answered {answer['reply']}")

    async def _post(self, event: EventRecord, status: int, more: dict[str, str]) -> Message | None:
        headers = {"authorization": f"Bearer {HOOK_TOKEN}"} | more
        url = self.client.origin + HOOK
        response = await self.client.http.post(url, json={"to": event.key}, headers=headers)
        answer: Message = response.json()
        if response.is_success:
            self.book.accept_event(event, answer["event_id"])
        if response.status_code != status:
            self.book.wrong.append(f"{event.key}: HTTP {response.status_code} {answer}")
            return None
        return answer
