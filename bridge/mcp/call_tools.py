"""The tools of calls: read, list and cancel them; and files that are their results."""

import dataclasses
from typing import Any

from bridge.errors import NotFoundError
from bridge.formats.file_pages import file_page, page_bytes
from bridge.formats.long_json import Page
from bridge.formats.payloads import summarize
from bridge.mcp.addresses import FileAddress
from bridge.mcp.asking_approval import waits_for
from bridge.mcp.file_contents import beside_files
from bridge.mcp.questions import input_required, next_step
from bridge.mcp.record_files import call_files, named_file, read_file
from bridge.mcp.tool_results import DATA_NOTICE, read_on, shown_result, unless_held
from bridge.mcp.tools import (
    CURSOR,
    IF_CHANGED_FROM,
    LIMIT,
    OFFSET,
    RESPONSE_FORMAT,
    WAIT_SECONDS,
    Arguments,
    Caller,
    Context,
    Meta,
    Told,
    Tool,
    ToolOutcome,
    arguments,
    held_by,
    hints,
    is_detailed,
    seconds,
    success,
    unless_leaving,
    whole,
)
from bridge.mcp.workflow_tools import EXPIRED
from bridge.models import Call, CallId, CallStatus, instant, paused_since, second


async def file_part(caller: Caller, call: Call, path: str, offset: int) -> dict[str, Any]:
    """Return the page that begins at `offset` of the file that `path` names in a call's result.

    Raises:
        NotFoundError: the result has no such file.
    """
    size_bytes = page_bytes(caller.runtime.settings.result_chars)
    address = FileAddress("", call.call_id, path, offset)
    try:
        part = await read_file(caller, address, size_bytes)
    except NotFoundError as error:
        sentence = "this call's result has no such file: leave path out to read the rest"
        raise NotFoundError(sentence) from error
    shown = file_page(part.content, offset, part.whole_bytes, is_text=part.is_text)
    told = {"call_id": call.call_id, "status": call.status, "path": path, "notice": DATA_NOTICE}
    on = read_on("read_call with the same path", Page("", shown.next_offset))
    return told | dataclasses.asdict(shown) | on


_CALL_ID = {"type": "string"}


async def read_call(context: Context, given: Arguments) -> Told:
    """Read a call, once it has ended or after the wait."""
    caller = context.lifespan_context
    call_id = CallId(given["call_id"])
    waiting = caller.call(call_id, seconds(given, "wait_seconds"))
    call = await unless_leaving(caller.leaving, waiting) or await caller.call(call_id)
    ack = await caller.fetch(call)
    offset, detailed = whole(given, "offset", 0), is_detailed(given)
    if given.get("path"):
        part = success(await file_part(caller, call, given["path"], offset))
        if offset == 0:
            file = await named_file(caller, FileAddress("", call.call_id, given["path"]))
            part = await beside_files(part, [file], context.protocol_version)
        return ToolOutcome(part, ack)
    shown, files = await call_files(caller, call)
    shown = call if detailed else shown
    described = describe_call(caller, shown, offset, detailed=detailed, held=held_by(given))
    told = success(described)
    if files and offset == 0 and not described.get("unchanged"):
        told = await beside_files(told, files, context.protocol_version)
    return ToolOutcome(told, ack)


async def list_calls(context: Context, given: Arguments) -> Told:
    """List the caller's own calls."""
    caller = context.lifespan_context
    listing = await caller.runtime.calls.list(
        caller.principal,
        given.get("status", ""),
        whole(given, "limit", 20),
        given.get("cursor"),
        caller.scope,
    )
    describe = _detailed_row if is_detailed(given) else _row
    told = {
        "calls": [describe(call) for call in listing.calls],
        "next_cursor": listing.next_cursor,
    }
    return ToolOutcome(success(unless_held(told, "calls", held_by(given))))


async def cancel_call(context: Context, given: Arguments) -> Told:
    """End a call for good."""
    caller = context.lifespan_context
    call = await caller.runtime.calls.cancel(
        CallId(given["call_id"]), caller.principal, caller.scope
    )
    return ToolOutcome(success(describe_call(caller, call)))


def describe_call(
    caller: Caller,
    call: Call,
    offset: int = 0,
    *,
    detailed: bool = False,
    held: str | None = None,
) -> dict[str, Any]:
    """Return the public face of a call, a long result as one page of its text."""
    described = _standing(call)
    if call.question:
        described["input_required"] = input_required(caller, call.question)
        described["next"] = next_step(call, caller)
    if call.unapproved:
        described["next"] = next_step(call, caller)
    if call.result is not None:
        described |= unless_held(_result(caller, call, offset, detailed), "result", held)
    return described


def _standing(call: Call) -> dict[str, Any]:
    described: dict[str, Any] = {"call_id": call.call_id, "status": call.status}
    if not call.status.is_final and call.progress is not None:
        described["progress"] = call.progress
    if not call.status.is_final and call.message:
        described["message"] = call.message
    if call.paused_at_ms:
        described["paused"] = paused_since(call.paused_at_ms)
    if call.status is CallStatus.EXPIRED:
        described["failure"] = EXPIRED
    elif call.status.is_final and call.failure:
        described["failure"] = call.failure
    return described


def _result(caller: Caller, call: Call, offset: int, detailed: bool) -> dict[str, Any]:
    shown = shown_result(caller, call, offset, detailed=detailed)
    if not isinstance(shown, Page):
        return {"result": shown}
    told = {"partial": True, "result": shown.text, "next_offset": shown.next_offset}
    return told | read_on("read_call with this call_id", shown)


def _row(call: Call) -> dict[str, Any]:
    row = {
        "call_id": call.call_id,
        "tool": call.workflow,
        "status": call.status,
        "created_at": second(call.created_at_ms),
    }
    if call.unapproved:
        row["approval"] = waits_for(call.unapproved)
    return row | ({"paused": paused_since(call.paused_at_ms)} if call.paused_at_ms else {})


def _detailed_row(call: Call) -> dict[str, Any]:
    """Return a call with all that is known of it but its result."""
    more = {
        "arguments": summarize(call.arguments),
        "attempt": call.attempt,
        "created_at": instant(call.created_at_ms),
        "updated_at": instant(call.updated_at_ms),
        "progress": call.progress,
        "message": call.message,
        "failure": call.failure,
        "execution": call.execution,
    }
    return _row(call) | {name: said for name, said in more.items() if said is not None}


CALL_TOOLS = (
    Tool(
        name="read_call",
        title="Read a call",
        description=(
            "Reads how a workflow call stands, and its result once it has ended: for when a tool "
            "answered with a call_id instead. wait_seconds waits for the end. A long result comes "
            "in pages: read on with offset = next_offset until that is null. A file in it has a "
            "path. With input_required the workflow asks you something and waits: do what next "
            "says."
        ),
        input=arguments(
            "call_id",
            call_id=_CALL_ID,
            wait_seconds=WAIT_SECONDS,
            path={"type": "string"},
            offset=OFFSET,
            response_format=RESPONSE_FORMAT,
            if_changed_from=IF_CHANGED_FROM,
        ),
        annotations=hints(read_only=True),
        meta=Meta(always_load=True, is_long=True),
        run=read_call,
    ),
    Tool(
        name="list_calls",
        title="List calls",
        description="Lists the workflow calls that you have made, oldest first.",
        input=arguments(
            status={"enum": [status.value for status in CallStatus]},
            limit=LIMIT,
            cursor=CURSOR,
            response_format=RESPONSE_FORMAT,
            if_changed_from=IF_CHANGED_FROM,
        ),
        annotations=hints(read_only=True),
        run=list_calls,
    ),
    Tool(
        name="cancel_call",
        title="Cancel a call",
        description="Ends a workflow call. What n8n has already done stays done.",
        input=arguments("call_id", call_id=_CALL_ID),
        annotations=hints(read_only=False, destructive=True, idempotent=True),
        run=cancel_call,
    ),
)
