"""What operators' tools show of records: rows, timelines, payloads, and the schemas of these."""

import re
from collections.abc import Mapping
from typing import Any

from bridge.errors import MalformedError
from bridge.formats.json_text import decode
from bridge.formats.payloads import read_kept
from bridge.mcp.tool_results import DATA_NOTICE, text_page
from bridge.mcp.tools import Caller, Context, Schema
from bridge.models import Approval, Call, Event, Pause, Timeline, instant, paused_since
from bridge.n8n.reply_address import link_to
from bridge.verbs.bulk_records import Bulk
from bridge.verbs.operating import OperatorVerbs
from bridge.verbs.record_search import RecordKind

_ID = re.compile(r"(evt|call)_[\w-]*")
HIDDEN = "a viewer sees no payloads, arguments, results and summaries, and looks for ids alone"
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
OPTIONAL: Schema = {"type": ["string", "null"]}


def verbs_of(context: Context) -> OperatorVerbs:
    """Return what operators see and do."""
    return context.lifespan_context.runtime.operating


def by(context: Context) -> str:
    """Name who acts, as timelines and pauses name operators."""
    return str(context.lifespan_context.principal)


def sees_payloads(caller: Caller) -> bool:
    """Report whether the caller may see what records carry."""
    return caller.scope.acts or caller.runtime.settings.viewer_payloads


def demand_seen(caller: Caller, *, is_wanted: bool, text: str = "") -> None:
    """Refuse to show what records carry to who may not see it.

    Raises:
        MalformedError: it is wanted, or looked for.
    """
    if (is_wanted or (text and not _ID.fullmatch(text))) and not sees_payloads(caller):
        raise MalformedError(HIDDEN)


def record_row(caller: Caller, kind: RecordKind, record: Any) -> dict[str, Any]:
    """Return a record as a list shows it."""
    return call_row(record) if kind is RecordKind.CALLS else event_row(caller, record)


def event_row(caller: Caller, event: Event) -> dict[str, Any]:
    """Return an event with where its reply stands, without its payload."""
    row = {
        "event_id": event.event_id,
        "server": event.server,
        "hook": event.hook,
        "status": event.status,
        "attempt": event.attempt,
        "received_at": instant(event.received_at_ms, "seconds"),
        "reply_status": event.reply.status,
    }
    more = {
        "summary": event.summary if sees_payloads(caller) else "",
        "reason": event.reason,
        "last_failure": event.reply.last_failure,
        "execution_url": link_to(event.execution, caller.runtime.settings.n8n_url),
    }
    return row | _said(more) | _paused(event.paused_at_ms)


def call_row(call: Call) -> dict[str, Any]:
    """Return a call without its arguments and its result."""
    row = {
        "call_id": call.call_id,
        "server": call.principal.server,
        "principal": call.principal.name,
        "workflow": call.workflow,
        "status": call.status,
        "attempt": call.attempt,
        "created_at": instant(call.created_at_ms, "seconds"),
    }
    more = {"failure": call.failure, "message": call.message}
    return row | _said(more) | _approval(call.approval) | _paused(call.paused_at_ms)


def approval_row(context: Context, call: Call, approval: Approval) -> dict[str, Any]:
    """Return a call that waits for approval, with its arguments: of long ones the start."""
    row = {
        "call_id": call.call_id,
        "server": call.principal.server,
        "principal": call.principal.name,
        "workflow": call.workflow,
        "asks": approval.asks,
        "created_at": instant(call.created_at_ms, "seconds"),
        "expires_at": instant(approval.ends_at_ms, "seconds"),
    }
    if not sees_payloads(context.lifespan_context):
        return row | {"whole": False}
    arguments = decode(call.arguments)
    shown = _shown(context, arguments)
    return row | {"digest": approval.digest, "arguments": shown, "whole": shown is arguments}


def _approval(approval: Approval | None) -> dict[str, Any]:
    if approval is None:
        return {}
    said = {
        "status": approval.status,
        "digest": approval.digest,
        "asks": approval.asks,
        "expires_at": instant(approval.ends_at_ms, "seconds"),
    }
    return {"approval": said | _said({"by": approval.by, "reason": approval.reason})}


def _said(more: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in more.items() if said}


def _paused(at_ms: int | None) -> dict[str, Any]:
    return {} if at_ms is None else {"paused": paused_since(at_ms)}


async def event_payload(context: Context, event: Event) -> dict[str, Any]:
    """Return an event's payload and its answer, of long ones the start."""
    payload = await verbs_of(context).operators.payload(event.event_id)
    shown = {"payload": _shown(context, read_kept(payload or b"null"))}
    if event.reply.value is not None:
        shown["reply"] = _shown(context, decode(event.reply.value))
    return shown


def call_payload(context: Context, call: Call) -> dict[str, Any]:
    """Return a call's arguments and its result, likewise."""
    shown = {"arguments": _shown(context, decode(call.arguments))}
    if call.result is not None:
        shown["result"] = _shown(context, decode(call.result))
    return shown


def _shown(context: Context, value: Any) -> Any:
    """Return a value as it is, or the start of its text where it is long."""
    part = text_page(value, 0, context.lifespan_context.runtime.settings.result_chars)
    return value if part is None else part.text


def timeline_rows(timeline: Timeline) -> dict[str, Any]:
    """Return what happened to a record, oldest first, and how much of it was left out."""
    moments = [
        {"at": instant(moment.at_ms), "what": moment.what, **moment.said}
        for moment in timeline.moments
    ]
    return {"timeline": moments, "left_out": timeline.left_out}


def pause_row(pause: Pause) -> dict[str, Any]:
    """Return a pause."""
    return {"place": pause.place, "since": instant(pause.at_ms, "seconds"), "by": pause.by}


def bulk_row(caller: Caller, bulk: Bulk, next_step: str) -> dict[str, Any]:
    """Return how a bulk act stands, and what is to be done next.

    Why a payload was refused may quote it, and the text that was looked for may be of one.
    """
    shown = bulk.describe(shows_texts=sees_payloads(caller))
    return shown | {"notice": DATA_NOTICE, "next": next_step}


def answer(required: str, **properties: Schema) -> Schema:
    """Return the output schema of an object that has these properties, and perhaps more."""
    return {"type": "object", "properties": properties, "required": required.split()}


ANY: Schema = {}
ROW: Schema = {"type": "object"}
BULK_ANSWER = answer(
    "bulk_id records act filter status count done changed refused left next",
    filter=ROW,
    **dict.fromkeys(("bulk_id", "records", "act", "status", "next"), TEXT),
    **dict.fromkeys(("count", "done", "changed", "refused", "left"), NUMBER),
)
