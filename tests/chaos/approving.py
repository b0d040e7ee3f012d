"""Whoever operates the bridge: approves most calls that must be, and refuses some."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.chaos.asking import Client
from tests.chaos.book import Book

OPERATOR_TOKEN = "the-operators-token-of-the-chaos"
LOOK_S = 0.3
REFUSED_SHARE = 0.2
REASON = "chance would have it so"


@dataclass
class Approver:
    """Decides over HTTP about all that waits, and tries to approve of other arguments as well."""

    client: Client
    book: Book
    _approves: dict[str, bool] = field(default_factory=dict)

    async def run(self) -> None:
        """Go on until ended."""
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(httpx2.TransportError):
                for waiting in await self._waiting():
                    await self._decide(waiting)

    async def _waiting(self) -> list[dict[str, Any]]:
        answer = await self._ask("GET", "/approvals")
        return answer.json()["approvals"] if answer.status_code == 200 else []

    async def _decide(self, waiting: dict[str, Any]) -> None:
        """Decide as before, where an answer was lost; what may have been decided is in the book."""
        call_id, label = waiting["call_id"], waiting["arguments"]["label"]
        chance = self.client.random
        approves = self._approves.setdefault(call_id, chance.random() >= REFUSED_SHARE)
        changed = {"digest": waiting["digest"][::-1]}
        answer = await self._ask("POST", f"/calls/{call_id}/approve", json=changed)
        if answer.status_code == 200:
            self.book.wrong.append(f"{label} was approved of by another digest")
        decided = self.book.approved_at if approves else self.book.refused_at
        decided.setdefault(label, time.time())
        act = "approve" if approves else "refuse"
        said = {"digest": waiting["digest"], "reason": REASON}
        await self._ask("POST", f"/calls/{call_id}/{act}", json=said)

    async def _ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
        url = self.client.origin + path
        return await self.client.http.request(method, url, headers=headers, **more)
