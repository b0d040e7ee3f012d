"""`subscriptions/listen` of the 2026 wire: what changes, told on a stream that its client opened.

On purpose: the SDK's own handler is not used, for it drops the `taskIds` of the Tasks extension and
hears only its own process; ours hears every process through the wake channel.
"""

from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY

from bridge.errors import NotFoundError
from bridge.mcp.tasks import declares_tasks, view
from bridge.mcp.tools import Context
from bridge.models import Call, CallId
from bridge.store.wake import Bell

TASKS_MAX = 100
LISTENERS_MAX = 10_000


class Listening:
    """Serves the subscriptions of one server; each call is one stream."""

    def __init__(self) -> None:
        self._bells: set[Bell] = set()
        self._is_closing = False

    def close(self) -> None:
        """End every stream with its result, as the spec wants it done in peace."""
        self._is_closing = True
        for bell in self._bells:
            bell.ring()

    async def __call__(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Acknowledge first, then tell every change until the client leaves or we drain."""
        if len(self._bells) >= LISTENERS_MAX:
            raise MCPError(types.INTERNAL_ERROR, "too many subscriptions on this process")
        meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        wanted = params.notifications
        task_ids = _task_ids(context, wanted)
        wakes = context.lifespan_context.runtime.wakes
        with wakes.listening(*(f"call:{task_id}" for task_id in task_ids)) as bell:
            self._bells.add(bell)
            try:
                told: dict[str, int] = {}
                calls = [call for task_id in task_ids if (call := await _read(context, task_id))]
                await _acknowledge(context, wanted, [call.call_id for call in calls], meta)
                while not self._is_closing:
                    await self._tell(context, [call.call_id for call in calls], told, meta)
                    await bell.rung()
            finally:
                self._bells.discard(bell)
        return types.SubscriptionsListenResult(_meta=meta)

    async def _tell(
        self, context: Context, task_ids: list[CallId], told: dict[str, int], meta: dict[str, Any]
    ) -> None:
        """Tell each task that has changed since it was told last."""
        for task_id in task_ids:
            call = await _read(context, task_id)
            if call is None or told.get(task_id) == call.updated_at_ms:
                continue
            told[task_id] = call.updated_at_ms
            params = view(call, context.lifespan_context) | {"_meta": meta}
            await _notify(context, "notifications/tasks", params)


def _task_ids(context: Context, wanted: types.SubscriptionFilter) -> list[CallId]:
    task_ids = (wanted.model_extra or {}).get("taskIds") or []
    if not task_ids:
        return []
    if not declares_tasks(context):
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY, "taskIds needs a client that declares tasks"
        )
    return [CallId(str(task_id)) for task_id in task_ids[:TASKS_MAX]]


async def _read(context: Context, call_id: CallId) -> Call | None:
    caller = context.lifespan_context
    try:
        return await caller.runtime.calls.wait(call_id, caller.principal, 0)
    except NotFoundError:
        return None


async def _acknowledge(
    context: Context, wanted: types.SubscriptionFilter, task_ids: list[CallId], meta: dict[str, Any]
) -> None:
    honoured: dict[str, Any] = {
        name: True
        for name, is_wanted in (
            ("toolsListChanged", wanted.tools_list_changed),
            ("promptsListChanged", wanted.prompts_list_changed),
            ("resourcesListChanged", wanted.resources_list_changed),
        )
        if is_wanted
    }
    if wanted.resource_subscriptions:
        honoured["resourceSubscriptions"] = list(wanted.resource_subscriptions)
    if task_ids:
        honoured["taskIds"] = task_ids
    params = {"notifications": honoured, "_meta": meta}
    await _notify(context, "notifications/subscriptions/acknowledged", params)


async def _notify(context: Context, method: str, params: dict[str, Any]) -> None:
    await context.lifespan_context.notify(method, params)
