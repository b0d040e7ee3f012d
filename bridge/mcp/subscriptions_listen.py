"""`subscriptions/listen` of the 2026 wire: what changes, told on a stream that its client opened.

On purpose: the SDK's own handler is not used, for it drops the `taskIds` of the Tasks extension and
hears only its own process; ours hears of tasks from every process through the wake channel.
"""

import asyncio
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
from bridge.mcp.change_watch import LIST_CHANGES, PAUSE_S, UPDATED, InboxWatch
from bridge.mcp.tasks import demand_tasks, find_task, view
from bridge.mcp.tools import Caller, Context, Frames
from bridge.models import Call, CallId, Message
from bridge.store.signals import Signal
from bridge.verbs.inboxes import signals_of

TASKS_MAX = 100
LISTENERS_MAX = 10_000


class ListenStream:
    """One stream: what its client wants to hear, and what it has heard of that."""

    __slots__ = (
        *("_caller", "_inboxes", "_lists", "_task_ids", "_told_lists", "_told_tasks", "_uris"),
        "meta",
    )

    def __init__(self, context: Context, wanted: types.SubscriptionFilter) -> None:
        asked = wanted.model_dump(by_alias=True, exclude_none=True)
        caller = context.lifespan_context.apart()
        self._caller = caller
        self._lists = tuple(flag for flag in LIST_CHANGES if asked.get(flag))
        self._uris = inboxes_among(caller.server, asked.get("resourceSubscriptions") or ())
        hooks = tuple(caller.server.hooks if self._hears_all else self._uris.values())
        self._inboxes = InboxWatch(caller.runtime.inboxes, caller.server, hooks)
        self._task_ids = _task_ids(context, asked.get("taskIds"))
        self.meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        self._told_lists: dict[str, int] = {}
        self._told_tasks: dict[CallId, object] = {}

    @property
    def _hears_all(self) -> bool:
        return "resourcesListChanged" in self._lists

    async def begin(self) -> None:
        """See how all stands now, and which of the tasks there are."""
        await self._changed_inboxes()
        self._task_ids = [task_id for task_id in self._task_ids if await self._read(task_id)]

    async def frames(self, listening: "SubscriptionsListen") -> Frames:
        """Acknowledge first, then yield every change until `listening` closes."""
        runtime, server = self._caller.runtime, self._caller.server
        keepalive = runtime.keepalives.name()
        arrivals = signals_of(server) if self._inboxes.hooks or self._hears_all else ()
        others = (keepalive, *arrivals)
        names, look_at, is_due = ("", *arrivals), 0.0, False
        with listening.open(runtime.calls.subscribed(*self._task_ids, also=others)) as woken:
            yield self._acknowledgement(listening.changes)
            for frame in self._list_changes(await listening.changed_before(self._caller)):
                yield frame
            while not listening.is_closing:
                if keepalive in names:
                    yield None
                if not set(names) <= set(others):
                    for frame in await self._changed(listening.changes):
                        yield frame
                is_due |= not set(names).isdisjoint(arrivals)
                if is_due and _now() >= look_at:
                    is_due, look_at = False, _now() + PAUSE_S
                    for frame in self._inbox_changes(await self._changed_inboxes()):
                        yield frame
                left_s = max(look_at - _now(), 0)
                names = await (woken.wait(left_s) if is_due else woken.notified())

    def _acknowledgement(self, changes: Counter[str]) -> Message:
        """Report what will be told: changes of lists from now on, tasks from how they stand now."""
        self._told_lists = dict(changes)
        honoured: dict[str, Any] = dict.fromkeys(self._lists, True)
        if self._uris:
            honoured["resourceSubscriptions"] = list(self._uris)
        if self._task_ids:
            honoured["taskIds"] = self._task_ids
        return self._frame("notifications/subscriptions/acknowledged", {"notifications": honoured})

    def _list_changes(self, changed: Iterable[str]) -> list[Message]:
        """Return the notifications of the lists named, as far as they are wanted."""
        return [self._frame(LIST_CHANGES[flag], {}) for flag in self._lists if flag in changed]

    def _inbox_changes(self, hooks: list[str]) -> list[Message]:
        """Return the notifications that events came or went on these hooks."""
        uris = [uri for uri, hook in self._uris.items() if hook in hooks]
        lists = self._list_changes(["resourcesListChanged"] if hooks else ())
        return lists + [self._frame(UPDATED, {"uri": uri}) for uri in uris]

    async def _changed_inboxes(self) -> list[str]:
        with contextlib.suppress(TransientError):  # all are notified when Redis is back
            return await self._inboxes.changed()
        return []

    async def _changed(self, changes: Counter[str]) -> list[Message]:
        """Return a notification of each list and each task that has changed since the last."""
        changed = [flag for flag in self._lists if changes[flag] != self._told_lists.get(flag, 0)]
        self._told_lists |= {flag: changes[flag] for flag in changed}
        frames = self._list_changes(changed)
        if changed and self._hears_all:
            await self._hear_of_new_hooks()
        for task_id in self._task_ids:
            with contextlib.suppress(TransientError):  # all are notified when Redis is back
                frames += await self._task_changes(task_id)
        return frames

    async def _hear_of_new_hooks(self) -> None:
        self._caller = self._caller.current()
        with contextlib.suppress(TransientError):  # those there were are heard of all the same
            for hook in self._caller.server.hooks:
                await self._inboxes.hear(hook)

    async def _task_changes(self, task_id: CallId) -> list[Message]:
        call = await self._read(task_id)
        if call is None:
            return []
        asked = tuple(question.event_id for question in call.unanswered)
        state = (call.status, call.updated_at_ms, call.progress, call.message, asked)
        if self._told_tasks.get(task_id) == state:
            return []
        self._told_tasks[task_id] = state
        return [self._frame("notifications/tasks", await view(call, self._caller))]

    async def _read(self, task_id: CallId) -> Call | None:
        try:
            return await find_task(self._caller, task_id)
        except MCPError:
            return None

    def _frame(self, method: str, params: dict[str, Any]) -> Message:
        return {"jsonrpc": "2.0", "method": method, "params": params | {"_meta": self.meta}}


class SubscriptionsListen:
    """Serves the subscriptions of one server, whose `lists` have these digests now.

    Each call is one stream. `changes` counts how often each list has changed in this process.
    """

    def __init__(self, lists: Mapping[str, str]) -> None:
        self.lists = lists
        self._waiting: set[Signal] = set()
        self.changes: Counter[str] = Counter()
        self.is_closing = False

    @property
    def count(self) -> int:
        """Report how many streams are open in this process."""
        return len(self._waiting)

    def replace(self, lists: Mapping[str, str]) -> list[str]:
        """Notify every stream of the lists that are others now; return which those are."""
        changed = [flag for flag, digest in lists.items() if digest != self.lists[flag]]
        self.lists = lists
        for flag in changed:
            self.has_changed(flag)
        return changed

    def has_changed(self, flag: str) -> None:
        """Notify every stream of this process that a list of LIST_CHANGES is another now."""
        self.changes[flag] += 1
        self._notify()

    async def changed_before(self, caller: Caller) -> list[str]:
        """Name the lists that are others than before: who comes back may not know them yet."""
        return await caller.runtime.inboxes.changed_lists(caller.server, self.lists)

    def close(self) -> None:
        """End every stream with its result, as the spec wants it done in peace."""
        self.is_closing = True
        self._notify()

    def demand_room(self) -> None:
        """See that one more stream may be opened here.

        Raises:
            MCPError: there are too many.
        """
        if self.count >= LISTENERS_MAX:
            raise MCPError(types.INTERNAL_ERROR, "too many subscriptions on this process")

    @contextlib.contextmanager
    def open(self, subscribed: AbstractContextManager[Signal]) -> Iterator[Signal]:
        """Count a stream among the open ones: what it subscribes to is notified to close, too."""
        with subscribed as woken:
            self._waiting.add(woken)
            try:
                yield woken
            finally:
                self._waiting.discard(woken)

    async def __call__(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Have every change sent until the client leaves or we drain; return what ends that."""
        subscription = ListenStream(context, params.notifications)
        self.demand_room()
        await subscription.begin()
        context.lifespan_context.send_first(subscription.frames(self))
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


def _now() -> float:
    return asyncio.get_running_loop().time()
