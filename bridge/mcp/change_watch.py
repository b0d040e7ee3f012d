"""What changes, told to whoever wants to hear of it: inboxes and lists, whatever wire tells it.

A burst is told once: PAUSE_S lies between two looks, and each look tells an inbox at most once.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from bridge.configuration.servers import Server
from bridge.errors import TransientError
from bridge.mcp.addresses import inbox_uri
from bridge.models import Message
from bridge.verbs.inboxes import Inboxes

logger = logging.getLogger(__name__)

PAUSE_S = 1.0

UPDATED = "notifications/resources/updated"
LIST_CHANGES = {
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
    "eventsListChanged": "notifications/events/list_changed",
}
"""What a filter of subscriptions/listen names, and what is sent for it."""


def digest(parts: Iterable[BaseModel | Mapping[str, Any]]) -> str:
    """Digest a list, so that two are told apart without being kept."""
    told = [
        part.model_dump(mode="json", by_alias=True, exclude_none=True)
        if isinstance(part, BaseModel)
        else part
        for part in parts
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(slots=True)
class InboxWatch:
    """Inboxes that one listener hears of, and how each stood when it last looked."""

    inboxes: Inboxes
    server: Server
    hooks: tuple[str, ...]
    _stood: dict[str, str] = field(default_factory=dict)

    async def hear(self, hook: str) -> None:
        """Hear of one more inbox, from how it stands now."""
        if hook not in self.hooks:
            self._stood |= await self.inboxes.stands(self.server, [hook])
            self.hooks = (*self.hooks, hook)

    async def hear_no_more(self, hook: str) -> None:
        """Hear no more of an inbox."""
        self.hooks = tuple(other for other in self.hooks if other != hook)

    async def changed(self) -> list[str]:
        """Name the hooks where an event came or went since the last look; the first names none."""
        if not self.hooks:
            return []
        stands = await self.inboxes.stands(self.server, self.hooks)
        news = [hook for hook, now in stands.items() if self._stood.get(hook, now) != now]
        self._stood |= stands
        return news

    async def tell_updates(self, send: Callable[[Message], Awaitable[None]]) -> None:
        """Send each change as the notification of it, for ever."""
        with self.inboxes.subscribed(self.server) as woken:
            while True:
                with contextlib.suppress(TransientError):  # all are notified when Redis is back
                    for hook in await self.changed():
                        params = {"uri": inbox_uri(self.server, hook)}
                        await send({"jsonrpc": "2.0", "method": UPDATED, "params": params})
                await asyncio.sleep(PAUSE_S)
                await woken.notified()


def log_failure(task: asyncio.Task[None]) -> None:
    """Log what a task failed with, if it did."""
    if not task.cancelled() and (error := task.exception()):
        logger.error("changes.failed", exc_info=error)
