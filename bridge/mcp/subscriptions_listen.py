"""`subscriptions/listen` of the 2026 wire: what changes, told on a stream that its client opened.

On purpose: the SDK's own handler is not used, for it drops the `taskIds` of the Tasks extension and
hears only its own process; ours hears of tasks from every process through the wake channel.
"""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY

from bridge.configuration.servers import Server
from bridge.errors import TransientError
from bridge.mcp.addresses import hook_of_inbox
from bridge.mcp.change_watch import LIST_CHANGES, UPDATED, InboxWatch, beside
from bridge.mcp.tasks import demand_tasks, find_task, view
from bridge.mcp.tools import Context
from bridge.models import Call, CallId
from bridge.store.signals import Signal

TASKS_MAX = 100
LISTENERS_MAX = 10_000


class ListenStream:
    """One stream: what its client wants to hear, and what it has heard of that."""

    def __init__(self, context: Context, wanted: types.SubscriptionFilter) -> None:
        self._context = context
        self._wanted = wanted.model_dump(by_alias=True, exclude_none=True)
        server = context.lifespan_context.server
        self._lists = [flag for flag in LIST_CHANGES if self._wanted.get(flag)]
        self._uris = inboxes_among(server, self._wanted.get("resourceSubscriptions") or ())
        heard = server.hooks if "resourcesListChanged" in self._lists else self._uris.values()
        self.inboxes = InboxWatch(context.lifespan_context.runtime.inboxes, server, tuple(heard))
        self.task_ids = _task_ids(context, self._wanted.get("taskIds"))
        self.meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        self._told_lists: dict[str, int] = {}
        self._told_tasks: dict[CallId, object] = {}

    async def acknowledge(self, changes: Counter[str]) -> None:
        """Report what will be told: changes of lists from now on, tasks from how they stand now."""
        self._told_lists = dict(changes)
        with contextlib.suppress(TransientError):
            await self.inboxes.changed()
        self.task_ids = [task_id for task_id in self.task_ids if await self._read(task_id)]
        honoured: dict[str, Any] = dict.fromkeys(self._lists, True)
        if self._uris:
            honoured["resourceSubscriptions"] = list(self._uris)
        if self.task_ids:
            honoured["taskIds"] = self.task_ids
        await self._notify("notifications/subscriptions/acknowledged", {"notifications": honoured})

    async def tell_lists(self, changed: Iterable[str]) -> None:
        """Notify of the lists named, as far as they are wanted."""
        for flag in self._lists:
            if flag in changed:
                await self._notify(LIST_CHANGES[flag], {})

    async def tell_inboxes(self, hooks: list[str]) -> None:
        """Notify that events came or went on these hooks."""
        await self.tell_lists(["resourcesListChanged"])
        for uri, hook in self._uris.items():
            if hook in hooks:
                await self._notify(UPDATED, {"uri": uri})

    async def tell(self, changes: Counter[str]) -> None:
        """Notify of each list and each task that has changed since it was told last."""
        for flag in self._lists:
            if changes[flag] != self._told_lists.get(flag, 0):
                self._told_lists[flag] = changes[flag]
                await self._notify(LIST_CHANGES[flag], {})
        for task_id in self.task_ids:
            with contextlib.suppress(TransientError):  # all are notified when Redis is back
                await self._tell_task(task_id)

    async def _tell_task(self, task_id: CallId) -> None:
        call = await self._read(task_id)
        if call is None:
            return
        asked = tuple(question.event_id for question in call.unanswered)
        state = (call.status, call.updated_at_ms, call.progress, call.message, asked)
        if self._told_tasks.get(task_id) != state:
            self._told_tasks[task_id] = state
            task = await view(call, self._context.lifespan_context)
            await self._notify("notifications/tasks", task)

    async def _read(self, task_id: CallId) -> Call | None:
        try:
            return await find_task(self._context, task_id)
        except MCPError:
            return None

    async def _notify(self, method: str, params: dict[str, Any]) -> None:
        await self._context.lifespan_context.notify(method, params | {"_meta": self.meta})


class SubscriptionsListen:
    """Serves the subscriptions of one server, whose `lists` have these digests.

    Each call is one stream.
    """

    def __init__(self, lists: Mapping[str, str]) -> None:
        self._lists = lists
        self._waiting: set[Signal] = set()
        self._changes: Counter[str] = Counter()
        self.is_closing = False

    @property
    def count(self) -> int:
        """Report how many streams are open in this process."""
        return len(self._waiting)

    def has_changed(self, flag: str) -> None:
        """Notify every stream of this process that a list of LIST_CHANGES is another now."""
        self._changes[flag] += 1
        self._notify()

    def close(self) -> None:
        """End every stream with its result, as the spec wants it done in peace."""
        self.is_closing = True
        self._notify()

    @contextlib.contextmanager
    def open(self, subscribed: AbstractContextManager[Signal]) -> Iterator[Signal]:
        """Count a stream among the open ones: what it has subscribed to is notified to close, too.

        Raises:
            MCPError: there are too many.
        """
        if self.count >= LISTENERS_MAX:
            raise MCPError(types.INTERNAL_ERROR, "too many subscriptions on this process")
        with subscribed as woken:
            self._waiting.add(woken)
            try:
                yield woken
            finally:
                self._waiting.discard(woken)

    async def __call__(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Acknowledge first, then tell every change until the client leaves or we drain."""
        subscription = ListenStream(context, params.notifications)
        caller = context.lifespan_context
        with self.open(caller.runtime.calls.subscribed(*subscription.task_ids)) as woken:
            await subscription.acknowledge(self._changes)
            changed = await caller.runtime.inboxes.changed_lists(caller.server, self._lists)
            await subscription.tell_lists(changed)
            async with beside(subscription.inboxes.tell(subscription.tell_inboxes)):
                while not self.is_closing:
                    await subscription.tell(self._changes)
                    await woken.notified()
        return types.SubscriptionsListenResult(_meta=subscription.meta)

    def _notify(self) -> None:
        for woken in self._waiting:
            woken.notify()


def inboxes_among(server: Server, uris: Iterable[str]) -> dict[str, str]:
    """Return the hooks whose inboxes are among these addresses, by address."""
    return {uri: hook for uri in uris if (hook := hook_of_inbox(server, uri))}


def _task_ids(context: Context, wanted: object) -> list[CallId]:
    """Read the extension's part of a filter.

    Raises:
        MCPError: it is no list of ids, or the client does not declare the extension.
    """
    if wanted is None:
        return []
    demand_tasks(context)
    if not isinstance(wanted, list) or not all(isinstance(task_id, str) for task_id in wanted):
        raise MCPError(types.INVALID_PARAMS, "taskIds must be a list of task ids")
    return [CallId(task_id) for task_id in wanted[:TASKS_MAX]]
