"""What a session hears on its standing stream: changes of inboxes it subscribed to, and of lists.

Whichever process reads the stream looks; what a session was told is with its record, so that the
next reader tells what came in between, and no change twice.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from bridge.errors import TransientError
from bridge.mcp.changes import LIST_CHANGES, PAUSE_S, UPDATED, beside, names_of
from bridge.mcp.resources import inbox_uri
from bridge.mcp.server import Door
from bridge.mcp.wires.outbox_stream import STANDING, OutboxLine
from bridge.models import Message
from bridge.runtime import Runtime
from bridge.servers import Server
from bridge.store.inboxes import Heard
from bridge.store.sessions import Session

TOLD_LISTS = ("toolsListChanged", "promptsListChanged")
"""The lists that an `initialize` says changes of are told; resources come and go with events."""


@dataclass(frozen=True)
class News:
    """Tells one session what changes, while its standing stream is read here."""

    runtime: Runtime
    server: Server
    door: Door
    session: Session

    async def tell(self) -> None:
        """Tell each change once, until the session ends."""
        wakes, hears = self.runtime.wakes, False
        while True:
            names = names_of(self.server) if hears else ()
            with wakes.listening(f"session:{self.session.session_id}", *names) as bell:
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
        session_id, inboxes = self.session.session_id, self.runtime.inboxes
        heard = await inboxes.look(session_id, self.server.name)
        if heard is None:
            return None
        lists = {name: self.door.lists[name] for name in TOLD_LISTS}
        unlike = {name: now for name, now in lists.items() if heard.shown.get(name) != now}
        for name in unlike.keys() & heard.shown.keys():
            await self._send({"method": LIST_CHANGES[name]})
        news = [hook for hook in heard.news if hook in self.server.hooks]
        for hook in news:
            uri = inbox_uri(self.server, hook)
            await self._send({"method": UPDATED, "params": {"uri": uri}})
        if news or unlike:
            await inboxes.told(session_id, {hook: heard.inboxes[hook] for hook in news}, unlike)
        return heard

    async def _send(self, message: Message) -> None:
        line = OutboxLine(self.runtime, self.session.session_id, STANDING)
        await line.send({"jsonrpc": "2.0", **message})


async def with_changes(
    frames: AsyncGenerator[bytes, None], news: News
) -> AsyncGenerator[bytes, None]:
    """Yield a standing stream's frames, with changes told on it meanwhile."""
    async with contextlib.aclosing(frames), beside(news.tell()):
        async for chunk in frames:
            yield chunk
