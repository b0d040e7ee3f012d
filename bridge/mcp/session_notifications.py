"""What a session is notified of: inboxes that it subscribed to, and lists that changed.

Whichever process writes to the session looks; what the session was told is with its record, so that
the next one tells what came in between, and no change twice.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import mcp_types as types
from mcp.shared.exceptions import MCPError

from bridge.configuration.servers import Server
from bridge.ending import end
from bridge.errors import TransientError
from bridge.mcp.addresses import hook_of_inbox, inbox_uri
from bridge.mcp.change_watch import LIST_CHANGES, PAUSE_S, UPDATED, log_failure
from bridge.mcp.resources import unknown
from bridge.mcp.subscriptions_listen import SubscriptionsListen
from bridge.mcp.tools import Caller, Context, ResourceSubscriptions, refusing
from bridge.models import Message
from bridge.verbs.inboxes import Inboxes


async def hear(context: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
    """Record that a session wants to hear of an inbox.

    Raises:
        MCPError: the address is no inbox's; what becomes of one event is not told.
    """
    hook = hook_of_inbox(context.lifespan_context.server, params.uri)
    if hook is None:
        raise unknown(context, params.uri, "only inboxes, event://{server}/{hook}, can be heard of")
    with refusing():
        await _hearing(context).hear(hook)
    return types.EmptyResult()


async def hear_no_more(
    context: Context, params: types.UnsubscribeRequestParams
) -> types.EmptyResult:
    """Record that a session has heard enough of an inbox; of one it never heard of, that is so."""
    if hook := hook_of_inbox(context.lifespan_context.server, params.uri):
        with refusing():
            await _hearing(context).hear_no_more(hook)
    return types.EmptyResult()


def _hearing(context: Context) -> ResourceSubscriptions:
    """Find where subscriptions are noted; every wire with sessions has such a place."""
    hearing = context.lifespan_context.hearing
    if hearing is None:
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", context.method)
    return hearing


TOLD_LISTS = ("toolsListChanged", "promptsListChanged", "resourcesListChanged")
"""The lists that an `initialize` says changes of are told.

Of resources that means the inboxes: the events behind them come and go, and who wants to hear of
these subscribes to an inbox.
"""


@dataclass(frozen=True, slots=True)
class SessionSubscriptions:
    """What a session wants to hear of, in its record."""

    inboxes: Inboxes
    server: Server
    session_id: str

    async def hear(self, hook: str) -> None:
        """Hear of a hook's inbox from now on."""
        await self.inboxes.subscribe(self.session_id, self.server, hook)

    async def hear_no_more(self, hook: str) -> None:
        """Hear no more of it."""
        await self.inboxes.unsubscribe(self.session_id, hook)


@dataclass(slots=True)
class SessionNotifications:
    """Notifies one session of changes, by `send`; how the lists are now is with `listening`."""

    caller: Caller
    listening: SubscriptionsListen
    session_id: str
    send: Callable[[Message], Awaitable[None]]
    _watch: asyncio.Task[None] | None = None

    @property
    def _inboxes(self) -> Inboxes:
        return self.caller.runtime.inboxes

    async def look(self) -> None:
        """Notify of each change once: from its first subscription on, as soon as one comes."""
        with contextlib.suppress(TransientError):  # all are notified when Redis is back
            if self._watch is None and await self._notify():
                self._watch = asyncio.create_task(self._keep_notifying())
                self._watch.add_done_callback(log_failure)

    async def end(self) -> None:
        """Notify no more."""
        if self._watch:
            await end(self._watch)

    async def _keep_notifying(self) -> None:
        with self._inboxes.subscribed(self.caller.server) as woken:
            while True:
                with contextlib.suppress(TransientError):
                    await self._notify()
                await asyncio.sleep(PAUSE_S)
                await woken.notified()

    async def _notify(self) -> bool:
        """Notify of what has changed; report whether the session subscribes to any inbox."""
        server = self.caller.current().server
        lists = {name: self.listening.lists[name] for name in TOLD_LISTS}
        news = await self._inboxes.news(self.session_id, server, lists)
        if news is None:
            return False
        for name in news.lists:
            await self._send({"method": LIST_CHANGES[name]})
        for hook in news.hooks:
            uri = inbox_uri(server, hook)
            await self._send({"method": UPDATED, "params": {"uri": uri}})
        await self._inboxes.told(self.session_id, news)
        return news.hears

    async def _send(self, message: Message) -> None:
        await self.send({"jsonrpc": "2.0", **message})
