"""The Tasks extension (SEP-2663): a call under another name, its task id the call's id.

On purpose: there is no second store. A task is `working` while its call is queued or runs, and
`input_required` while the workflow asks something that nobody has set about answering; n8n's own
failures are `completed` results with isError, the bridge's faults are `failed`.
"""

from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server as McpServer
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import decode_header_value
from mcp_types.jsonrpc import HEADER_MISMATCH, INTERNAL_ERROR, MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from bridge.errors import NotFoundError
from bridge.log import audit
from bridge.mcp.asking_approval import (
    approval_key,
    approval_request,
    asks_user,
    take_verdict,
    waits_for,
)
from bridge.mcp.questions import input_requests, take_answer
from bridge.mcp.tools import Caller, Context, ToolOutcome, handed_over, tell_once
from bridge.mcp.workflow_tools import (
    ATTACHED_META_KEY,
    EXPIRED,
    TASKS_EXTENSION,
    declares_tasks,
    tell_whole,
)
from bridge.models import Call, CallId, CallStatus, instant, paused_since

POLL_INTERVAL_MS = 2000
NEWEST = max(MODERN_PROTOCOL_VERSIONS)
"""No handshake version has tasks."""


class TaskParams(types.RequestParams):
    """Which task a request is about."""

    task_id: str


class TaskUpdateParams(TaskParams):
    """Answers to what a task asked for."""

    input_responses: dict[str, Any] = Field(default_factory=dict)


def add_tasks(mcp_server: McpServer[Caller]) -> None:
    """Serve the extension's methods and say so in the capabilities."""
    mcp_server.extensions[TASKS_EXTENSION] = {}
    mcp_server.add_request_handler("tasks/get", TaskParams, get_task)
    mcp_server.add_request_handler("tasks/update", TaskUpdateParams, update_task)
    mcp_server.add_request_handler("tasks/cancel", TaskParams, cancel_task)


def demand_tasks(context: Context) -> None:
    """Refuse a client that takes no tasks what it could not do without them.

    Raises:
        MCPError: this very request does not declare the extension.
    """
    if not declares_tasks(context):
        required: dict[str, Any] = {"requiredCapabilities": {"extensions": {TASKS_EXTENSION: {}}}}
        sentence = f"this needs a client that declares {TASKS_EXTENSION}"
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, sentence, required)


def create_task(call: Call, ttl_s: int) -> dict[str, Any]:
    """Return the answer that hands a call over as a task, and says so of an earlier one."""
    attached = {"_meta": {ATTACHED_META_KEY: call.call_id}} if call.attached else {}
    return {"resultType": "task", **_state(call, ttl_s), **attached}


async def get_task(context: Context, params: TaskParams) -> dict[str, Any]:
    """Report how a task stands, its result inline once there is one."""
    caller = context.lifespan_context
    call = await _named(context, params)
    ack = await caller.fetch(call)
    task = {"resultType": "complete", **await view(call, caller)}
    return handed_over(context, ToolOutcome(task, ack))


async def update_task(context: Context, params: TaskUpdateParams) -> dict[str, Any]:
    """Take answers to what a task asked; those to questions that are not open are ignored.

    A task goes on when all that it asked is answered; the first answer that does not fit is
    refused, and those behind it are not looked at.
    """
    call = await _named(context, params)
    _demand_rights(context)
    if response := params.input_responses.get(approval_key(call)):
        await take_verdict(context.lifespan_context, call, response)
    for question in call.questions:
        if question.event_id in params.input_responses:
            response = params.input_responses[question.event_id]
            await take_answer(context.lifespan_context, question, response)
    return {"resultType": "complete"}


async def cancel_task(context: Context, params: TaskParams) -> dict[str, Any]:
    """End a task; one that has ended stays as it is."""
    call = await _named(context, params)
    _demand_rights(context)
    caller = context.lifespan_context
    if not call.status.is_final:
        await caller.runtime.calls.cancel(call.call_id, caller.principal, caller.scope)
        audit(str(caller.principal), "tasks/cancel", call.call_id, "done")
    return {"resultType": "complete"}


async def view(call: Call, caller: Caller) -> dict[str, Any]:
    """Return a task's public face."""
    settings = caller.runtime.settings
    seen = _state(call, settings.result_ttl_s)
    if seen["status"] == "completed":
        told = await tell_whole(call, caller, NEWEST, attached=call.is_shared_task)
        told = tell_once(told, caller.client)
        result = told.model_dump(by_alias=True, mode="json", exclude_none=True)
        seen["result"] = result
    if seen["status"] == "input_required":
        seen["inputRequests"] = input_requests(call, caller) | approval_request(call, caller)
    if seen["status"] == "failed":
        seen["error"] = {"code": INTERNAL_ERROR, "message": call.failure or "the bridge failed"}
    return seen


def _state(call: Call, ttl_s: int) -> dict[str, Any]:
    state = {
        "taskId": call.call_id,
        "status": _status(call),
        "createdAt": instant(call.created_at_ms),
        "lastUpdatedAt": instant(call.updated_at_ms),
        "ttlMs": ttl_s * 1000,
        "pollIntervalMs": POLL_INTERVAL_MS,
    }
    message = call.failure if call.status.is_final else _progress(call)
    return state | ({"statusMessage": message} if message else {})


def _progress(call: Call) -> str:
    """Report what the workflow last reported of itself, or what it waits for; empty for neither."""
    if call.unapproved:
        return waits_for(call.unapproved, is_task=True)
    if call.paused_at_ms:
        return paused_since(call.paused_at_ms)
    share = "" if call.progress is None else f"{call.progress:.0%}"
    return ": ".join(told for told in (share, call.message) if told)


def _status(call: Call) -> str:
    match call.status:
        case CallStatus.QUEUED | CallStatus.RUNNING:
            return "input_required" if call.asks or asks_user(call) else "working"
        case CallStatus.CANCELLED:
            return "cancelled"
        case CallStatus.FAILED if call.is_bridge_fault:
            return "failed"
        case _:
            return "completed"


async def find_task(caller: Caller, task_id: str) -> Call:
    """Read the call that a task is.

    Raises:
        MCPError: there is none of this principal's, or its result was dropped after its time.
    """
    try:
        call = await caller.call(CallId(task_id))
    except NotFoundError as error:
        raise MCPError(types.INVALID_PARAMS, "no such task") from error
    if call.status is CallStatus.EXPIRED:
        raise MCPError(types.INVALID_PARAMS, f"this task has expired: {EXPIRED}")
    return call


def _demand_rights(context: Context) -> None:
    """Answer whoever may only read as if the task were not there."""
    if not context.lifespan_context.scope.acts:
        raise MCPError(types.INVALID_PARAMS, "no such task")


async def _named(context: Context, params: TaskParams) -> Call:
    """Find the task that a request names, once all else about the request is right."""
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", context.method)
    request = context.request
    if (
        request is not None
        and decode_header_value(request.headers.get("mcp-name")) != params.task_id
    ):
        raise MCPError(HEADER_MISMATCH, "mcp-name header does not match params.taskId")
    demand_tasks(context)
    return await find_task(context.lifespan_context, params.task_id)
