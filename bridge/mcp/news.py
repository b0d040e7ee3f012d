"""What a session hears of by itself: changes of inboxes it subscribed to, and of lists.

Whichever process writes to the session looks; what the session was told is with its record, so that
the next one tells what came in between, and no change twice.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bridge.configuration.servers import Server
from bridge.errors import TransientError
from bridge.mcp.addresses import inbox_uri
from bridge.mcp.changes import LIST_CHANGES, PAUSE_S, UPDATED, names_of
from bridge.models import Message
from bridge.runtime import Runtime
from bridge.store.inboxes import Heard

TOLD_LISTS = ("toolsListChanged", "promptsListChanged")
"""The lists that an `initialize` says changes of are told; resources come and go with events."""


@dataclass(frozen=True)
class Subscriptions:
    """What a session wants to hear of, in its record."""

    runtime: Runtime
    server: Server
    session_id: str

    async def hear(self, hook: str) -> None:
        """Hear of a hook's inbox from now on."""
        await self.runtime.inboxes.hear(self.session_id, self.server.name, hook)

    async def hear_no_more(self, hook: str) -> None:
        """Hear no more of it."""
        await self.runtime.inboxes.hear_no_more(self.session_id, hook)


@dataclass(frozen=True)
class News:
    """Tells one session what changes, by `send`; the door's `lists` are told apart by digests."""

    runtime: Runtime
    server: Server
    lists: Mapping[str, str]
    session_id: str
    send: Callable[[Message], Awaitable[None]]

    async def tell(self) -> None:
        """Tell each change once, until the session ends."""
        wakes, hears = self.runtime.wakes, False
        while True:
            names = names_of(self.server) if hears else ()
            with wakes.listening(f"session:{self.session_id}", *names) as bell:
                with contextlib.suppress(TransientError):  # all bells ring when Redis is back
                    heard = await self._look()
                    if heard is None:
                        return
                    if hears != bool(heard.inboxes):
                        hears = bool(heard.inboxes)
                        continue
                await asyncio.sleep(PAUSE_S)
                await bell.rung()

    async def _look(self) -> Heard | None:
        inboxes = self.runtime.inboxes
        heard = await inboxes.look(self.session_id, self.server.name)
        if heard is None:
            return None
        lists = {name: self.lists[name] for name in TOLD_LISTS}
        unlike = {name: now for name, now in lists.items() if heard.shown.get(name) != now}
        for name in sorted(unlike.keys() & heard.shown.keys()):
            await self._send({"method": LIST_CHANGES[name]})
        news = [hook for hook in heard.news if hook in self.server.hooks]
        for hook in news:
            uri = inbox_uri(self.server, hook)
            await self._send({"method": UPDATED, "params": {"uri": uri}})
        if news or unlike:
            told = {hook: heard.inboxes[hook] for hook in news}
            await inboxes.told(self.session_id, told, unlike)
        return heard

    async def _send(self, message: Message) -> None:
        await self.send({"jsonrpc": "2.0", **message})
