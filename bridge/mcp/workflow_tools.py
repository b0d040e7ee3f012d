"""Workflows as tools: a call is started or joined, its progress shown, its result brought."""

import asyncio
import contextlib
import functools
import json
import time
from typing import Any, cast

import mcp_types as types
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from bridge.configuration.servers import Server, Workflow
from bridge.errors import TransientError
from bridge.formats.long_json import Page
from bridge.formats.trace_context import trace_of
from bridge.mcp.apps import CALL_URI
from bridge.mcp.asking_approval import waits_for
from bridge.mcp.file_contents import beside_files
from bridge.mcp.questions import input_required, next_step
from bridge.mcp.record_files import call_files, with_files
from bridge.mcp.tool_results import read_on, shown_result
from bridge.mcp.tools import (
    LAST_WAIT_S,
    Arguments,
    Caller,
    Context,
    Meta,
    Schema,
    Told,
    Tool,
    ToolOutcome,
    failure,
    hints,
    success,
    tool_use_of,
    unless_leaving,
)
from bridge.models import Call, CallStatus, paused_since, second
from bridge.schemas.compile import is_read_by_clients
from bridge.store.signals import Signal
from bridge.tracing import EndedSpan, current_trace
from bridge.verbs.acks import ack_of
from bridge.verbs.calls import CallRequest

TASKS_EXTENSION = "io.modelcontextprotocol/tasks"
ATTACHED_META_KEY = "n8n-claude-bridge/attached"

HANDLE: Schema = {"required": ["call_id", "status"]}
PARTIAL: Schema = {"required": ["partial"]}
ATTACHED: Schema = {"required": ["attached_to", "result"]}
"""What tells these from a workflow's own output; every tool repeats them, so no more."""

FIRST_S, EVERY_S = 3.0, 10.0
"""How soon progress is first told, and how often after that."""

EXPIRED = "the result was kept for its time and has been dropped since"
ANEW = "The workflow was not run again; to have it run again, make the same call once more."


def workflow_tools(server: Server) -> tuple[Tool, ...]:
    """Return a server's workflows as tools, in the order of its file."""
    return tuple(_tool(workflow) for workflow in server.workflows.values())


def _tool(workflow: Workflow) -> Tool:
    said = workflow.annotations
    return Tool(
        name=workflow.name,
        title=workflow.title or workflow.name.replace("_", " ").replace("-", " ").capitalize(),
        description=workflow.description,
        input=workflow.input,
        output=output_schema(workflow),
        annotations=hints(
            read_only=said.read_only,
            destructive=said.is_destructive,
            idempotent=said.idempotent,
            open_world=said.open_world,
        ),
        meta=Meta(is_long=True, app=CALL_URI if workflow.asks_first else ""),
        run=functools.partial(run_workflow, workflow),
    )


def output_schema(workflow: Workflow) -> Schema:
    """Allow the workflow's own output, a handle, a page of a result, or that of an earlier call.

    The whole is of the dialect that the workflow's schema names: no client knows of two in one. Of
    what clients could not read no more than the type is told; the bridge checks it all the same.
    """
    output = dict(workflow.output or {"type": "object"})
    if not is_read_by_clients(output):
        output = {"type": output["type"]} if "type" in output else {}
    dialect = {"$schema": output.pop("$schema")} if "$schema" in output else {}
    if "$ref" in json.dumps(output):
        # A schema resource of its own keeps `#/…` references pointing into the workflow's schema.
        output = {"$id": f"urn:n8n-workflow:{workflow.name}", **output}
    outputs = [output]
    if output.get("type") != "object":
        outputs.append({"type": "object", "properties": {"result": output}, "required": ["result"]})
    return {**dialect, "type": "object", "anyOf": [*outputs, HANDLE, PARTIAL, ATTACHED]}


async def run_workflow(workflow: Workflow, context: Context, given: Arguments) -> Told:
    """Start a call and tell its result, or a handle when it takes too long for a plain answer."""
    caller = context.lifespan_context
    with caller.runtime.calls.subscribed(caller.call_id) as changed:
        started = await start(workflow, context, given)
        is_open = not started.attached and not started.status.is_final
        heard = changed if is_open else None
        call = await _wait(context, started, workflow.answer_inline_for_s, heard)
    if not call.status.is_final:
        with contextlib.suppress(TransientError):  # a handle is worth more than a promise kept
            await caller.runtime.calls.promise(call)
    told = await tell_whole(call, caller, context.protocol_version, attached=started.attached)
    return ToolOutcome(told, ack_of(call, attached=started.attached))


async def start(
    workflow: Workflow, context: Context, given: Arguments, *, promised: bool = False
) -> Call:
    """Start a call for this very request, or join the earlier one that it repeats."""
    caller = context.lifespan_context
    meta = context.meta or {}
    if workflow.takes_files:
        filled_in, _ = await with_files(caller, workflow.input, given)
        given = cast(Arguments, filled_in)
    asked = CallRequest(
        principal=caller.principal,
        workflow=workflow,
        arguments=given,
        call_id=caller.call_id,
        tool_use=tool_use_of(context),
        client=caller.client,
        promised=promised,
        trace=trace_of(meta.get("traceparent")) or trace_of(caller.traceparent) or current_trace(),
        scope=caller.scope,
    )
    began_at_s = time.time()
    call = await caller.runtime.calls.start(asked)
    if not call.attached:
        names = {"server": caller.principal.server, "tool": workflow.name, "call_id": call.call_id}
        EndedSpan(f"call {workflow.name}", asked.trace, call.call_id, began_at_s, names).record()
    return call


async def _wait(context: Context, call: Call, wait_s: float, changed: Signal | None) -> Call:
    """Wait for the end of a call, telling progress so that no client's idle timer runs out.

    It is not read before it has `changed`, where that was heard from the first on. While Redis is
    away the call runs on, so the waiting goes on too, and of one that has ended nothing is told
    that was not read. When the process drains it ends early, for a
    request that cannot go on elsewhere: a handle leads to any other process. Progress is the call's
    age, which grows on when another process goes on with the waiting.
    """
    caller, loop = context.lifespan_context, asyncio.get_running_loop()
    started, age_s = loop.time(), call.age_ms / 1000
    pause_s = FIRST_S
    while True:
        elapsed_s = loop.time() - started
        left_s = wait_s - elapsed_s
        waiting = caller.call(call.call_id, min(pause_s, left_s), changed)
        unread: TransientError | None = None
        try:
            call = await unless_leaving(caller.leaving, waiting) or call
            if caller.leaving and caller.leaving.is_set():
                return await caller.call(call.call_id, min(LAST_WAIT_S, left_s))
        except TransientError as error:
            unread = error
        elapsed_s = loop.time() - started
        is_over = call.status.is_final or call.asks
        if elapsed_s >= wait_s or (is_over and not unread):
            if is_over and unread:
                raise unread
            return call
        with contextlib.suppress(TransientError):
            progress = round(age_s + elapsed_s, 1)
            await context.session.report_progress(progress, message=_how_it_stands(call))
        pause_s = EVERY_S


def _how_it_stands(call: Call) -> str:
    if call.unapproved:
        return f"{call.workflow} {waits_for(call.unapproved)}"
    if call.paused_at_ms:
        return f"{call.workflow} is {paused_since(call.paused_at_ms)}; the call waits"
    told = f": {call.message}" if call.message else ""
    share = f" {call.progress:.0%}" if call.progress is not None else ""
    return f"{call.workflow} is {call.status}{share}, {call.age_ms / 1000:.0f} s so far{told}"


def tell(call: Call, caller: Caller, *, attached: bool = False) -> types.CallToolResult:
    """Report how a call stands, the way a tool answers.

    Whoever is `attached` made no call, but asked for what an earlier one has been asked: each form
    of answer says so in what its clients show, which of a structure is the structure alone.
    """
    told = _told(call, caller, attached=attached)
    return told.model_copy(update={"meta": {ATTACHED_META_KEY: call.call_id}}) if attached else told


def _told(call: Call, caller: Caller, *, attached: bool) -> types.CallToolResult:
    match call.status:
        case CallStatus.SUCCEEDED if call.result is not None:
            return success(_structured(call, caller, attached=attached))
        case CallStatus.EXPIRED | CallStatus.SUCCEEDED:
            return failure(_ended(f"{call.workflow}: {EXPIRED}", call, attached=attached))
        case CallStatus.FAILED | CallStatus.CANCELLED:
            sentence = f"{call.workflow} {call.status}: {call.failure}"
            return failure(_ended(sentence, call, attached=attached))
        case CallStatus.QUEUED | CallStatus.RUNNING:
            return success(_handle(call, caller) | _attached_to(call, attached=attached))


def _handle(call: Call, caller: Caller) -> dict[str, Any]:
    handle = {"call_id": call.call_id, "status": call.status, "next": next_step(call, caller)}
    asked = {"input_required": input_required(caller, call.question)} if call.question else {}
    return handle | asked


def _structured(call: Call, caller: Caller, *, attached: bool) -> dict[str, Any]:
    shown = shown_result(caller, call)
    if not isinstance(shown, Page):
        own = shown if isinstance(shown, dict) else {"result": shown}
        said = {"next": f"This is the result of {_earlier(call)}. {ANEW}", "result": own}
        return _attached_to(call, attached=True) | said if attached else own
    told = {
        "call_id": call.call_id,
        "partial": True,
        "text": shown.text,
        "next_offset": shown.next_offset,
    }
    more = _attached_to(call, attached=attached)
    return told | read_on("read_call with this call_id", shown) | more


def _attached_to(call: Call, *, attached: bool) -> dict[str, Any]:
    return {"attached_to": call.call_id} if attached else {}


def _ended(sentence: str, call: Call, *, attached: bool) -> str:
    return f"{sentence} (So ended {_earlier(call)}. {ANEW})" if attached else sentence


def _earlier(call: Call) -> str:
    return f"{call.call_id}, begun at {second(call.created_at_ms)} with the same arguments"


async def tell_whole(
    call: Call, caller: Caller, version: str, *, attached: bool = False
) -> types.CallToolResult:
    """Report how a call stands, with the files that it ended with beside what is told of them."""
    shown, files = await call_files(caller, call)
    told = tell(shown, caller, attached=attached)
    return await beside_files(told, files, version) if files else told


def declares_tasks(context: Context) -> bool:
    """Report whether the client of this very request takes a task for an answer."""
    capabilities = context.session.client_capabilities
    extensions = (capabilities.extensions if capabilities else None) or {}
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS and TASKS_EXTENSION in extensions
