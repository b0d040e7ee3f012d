"""`subscriptions/listen` of the 2026 wire: what changes, told on a stream that its client opened.

On purpose: the SDK's own handler is not used, for it drops the `taskIds` of the Tasks extension and
hears only its own process; ours hears of tasks from every process through the wake channel.
"""

import contextlib
from collections import Counter
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY

from bridge.errors import TransientError
from bridge.mcp.tasks import demand_tasks, find_task, view
from bridge.mcp.tools import Context
from bridge.models import Call, CallId
from bridge.store.wake import Bell

TASKS_MAX = 100
LISTENERS_MAX = 10_000

LIST_CHANGES = {
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}
"""What a filter names, and what is sent for it."""


class Subscription:
    """One stream: what its client wants to hear, and what it has heard of that."""

    def __init__(self, context: Context, wanted: types.SubscriptionFilter) -> None:
        self._context = context
        self._wanted = wanted.model_dump(by_alias=True, exclude_none=True)
        self._lists = [flag for flag in LIST_CHANGES if self._wanted.get(flag)]
        self.task_ids = _task_ids(context, self._wanted.get("taskIds"))
        self.meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        self._told_lists: dict[str, int] = {}
        self._told_tasks: dict[CallId, object] = {}

    async def acknowledge(self, changes: Counter[str]) -> None:
        """Say what will be told: changes of lists from now on, tasks from how they stand now."""
        self._told_lists = dict(changes)
        self.task_ids = [task_id for task_id in self.task_ids if await self._read(task_id)]
        honoured: dict[str, Any] = dict.fromkeys(self._lists, True)
        if uris := self._wanted.get("resourceSubscriptions"):
            honoured["resourceSubscriptions"] = uris
        if self.task_ids:
            honoured["taskIds"] = self.task_ids
        await self._notify("notifications/subscriptions/acknowledged", {"notifications": honoured})

    async def tell(self, changes: Counter[str]) -> None:
        """Tell each list and each task that has changed since it was told last."""
        for flag in self._lists:
            if changes[flag] != self._told_lists.get(flag, 0):
                self._told_lists[flag] = changes[flag]
                await self._notify(LIST_CHANGES[flag], {})
        for task_id in self.task_ids:
            with contextlib.suppress(TransientError):  # all bells ring when Redis is back
                await self._tell_task(task_id)

    async def _tell_task(self, task_id: CallId) -> None:
        call = await self._read(task_id)
        if call is None:
            return
        asked = tuple(question.event_id for question in call.unanswered)
        state = (call.status, call.updated_at_ms, call.progress, call.message, asked)
        if self._told_tasks.get(task_id) != state:
            self._told_tasks[task_id] = state
            await self._notify("notifications/tasks", view(call, self._context.lifespan_context))

    async def _read(self, task_id: CallId) -> Call | None:
        try:
            return await find_task(self._context, task_id)
        except MCPError:
            return None

    async def _notify(self, method: str, params: dict[str, Any]) -> None:
        await self._context.lifespan_context.notify(method, params | {"_meta": self.meta})


class Listening:
    """Serves the subscriptions of one server; each call is one stream."""

    def __init__(self) -> None:
        self._bells: set[Bell] = set()
        self._changes: Counter[str] = Counter()
        self._is_closing = False

    @property
    def count(self) -> int:
        """Tell how many streams are open in this process."""
        return len(self._bells)

    def has_changed(self, flag: str) -> None:
        """Tell every stream of this process that a list of LIST_CHANGES is another now."""
        self._changes[flag] += 1
        self._ring()

    def close(self) -> None:
        """End every stream with its result, as the spec wants it done in peace."""
        self._is_closing = True
        self._ring()

    async def __call__(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Acknowledge first, then tell every change until the client leaves or we drain."""
        if self.count >= LISTENERS_MAX:
            raise MCPError(types.INTERNAL_ERROR, "too many subscriptions on this process")
        subscription = Subscription(context, params.notifications)
        names = (f"call:{task_id}" for task_id in subscription.task_ids)
        with context.lifespan_context.runtime.wakes.listening(*names) as bell:
            self._bells.add(bell)
            try:
                await subscription.acknowledge(self._changes)
                while not self._is_closing:
                    await subscription.tell(self._changes)
                    await bell.rung()
            finally:
                self._bells.discard(bell)
        return types.SubscriptionsListenResult(_meta=subscription.meta)

    def _ring(self) -> None:
        for bell in self._bells:
            bell.ring()


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
