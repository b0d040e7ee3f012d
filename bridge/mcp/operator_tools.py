"""The tools of /mcp/_operators by which Claude looks, on behalf of who runs the bridge."""

from typing import Any

from bridge.errors import Fault, InvalidError
from bridge.formats.cursors import order_after
from bridge.mcp.apps import APPROVALS_URI
from bridge.mcp.operator_views import (
    BULK_ANSWER,
    NUMBER,
    OPTIONAL,
    ROW,
    TEXT,
    answer,
    approval_row,
    bulk_row,
    call_payload,
    call_row,
    demand_seen,
    event_payload,
    event_row,
    record_row,
    sees_payloads,
    timeline_rows,
    verbs_of,
)
from bridge.mcp.tool_results import DATA_NOTICE
from bridge.mcp.tools import (
    CURSOR,
    LIMIT,
    Arguments,
    Context,
    Meta,
    Schema,
    Told,
    Tool,
    ToolOutcome,
    arguments,
    hints,
    success,
    whole,
)
from bridge.verbs.bulk_records import BulkStatus
from bridge.verbs.record_filters import STATUSES, read_filter
from bridge.verbs.record_search import RecordKind, RecordSearch

FILTER = ("server", "hook", "workflow", "status", "principal", "text", "since", "until", "bulk_id")
SHOWN_MAX = 20
WAITS = "a worker does it: call bulk_status until status is done"
SEE_IT = "list_records with this bulk_id shows what it was done to"


async def status(context: Context, _given: Arguments) -> Told:
    """Show how everything stands."""
    return ToolOutcome(success(await context.lifespan_context.runtime.overview.now()))


async def list_records(context: Context, given: Arguments) -> Told:
    """List the newest records that are wanted, or count them."""
    caller, verbs = context.lifespan_context, verbs_of(context)
    kind, wanted = await wanted_of(context, given)
    if given.get("counts_only"):
        counts = await verbs.records.count(kind, wanted)
        told: dict[str, Any] = {"count": counts.total, "by_status": counts.by_status, "records": []}
        cursor = counts.cursor
    else:
        find = {
            RecordKind.EVENTS: verbs.records.events,
            RecordKind.CALLS: verbs.records.calls,
            RecordKind.REPLIES: verbs.records.replies,
        }[kind]
        page: Any = await find(wanted, whole(given, "limit", 20))
        told = {"records": [record_row(caller, kind, each) for each in page.rows]}
        cursor = page.cursor
    next_cursor = None if cursor is None else str(cursor)
    return ToolOutcome(success({"notice": DATA_NOTICE} | told | {"next_cursor": next_cursor}))


async def wanted_of(context: Context, given: Arguments) -> tuple[RecordKind, RecordSearch]:
    """Return which records the arguments of a tool choose.

    Raises:
        MalformedError: a viewer looks for more than ids.
        InvalidError: they do not fit the kind.
    """
    caller, kind = context.lifespan_context, RecordKind(given["records"])
    demand_seen(caller, is_wanted=False, text=given.get("text", ""))
    asked = {name: given[name] for name in FILTER if name in given}
    if "bulk_id" in asked:
        asked["bulk"] = asked.pop("bulk_id")
    cursor = order_after(given["cursor"]) if given.get("cursor") else None
    return kind, await read_filter(kind, asked).search(
        verbs_of(context).operators, cursor, ids_alone=not sees_payloads(caller)
    )


async def show_record(context: Context, given: Arguments) -> Told:
    """Show one event or one call, and all that happened to it."""
    caller, record_id = context.lifespan_context, given["id"]
    demand_seen(caller, is_wanted=bool(given.get("payload")))
    operators = verbs_of(context).operators
    if record_id.startswith("call_"):
        call, timeline = await operators.call(record_id)
        told, carried = call_row(call), call_payload(context, call) if given.get("payload") else {}
    elif record_id.startswith("evt_"):
        event, timeline = await operators.event(record_id)
        told = event_row(caller, event)
        carried = await event_payload(context, event) if given.get("payload") else {}
    else:
        raise InvalidError("no such record", (Fault("/id", "begins with evt_ or call_"),))
    return ToolOutcome(success({"notice": DATA_NOTICE} | told | timeline_rows(timeline) | carried))


async def list_approvals(context: Context, _given: Arguments) -> Told:
    """List the calls that wait until somebody approves of them, with all that they would do."""
    waiting = await verbs_of(context).operators.approvals.waiting()
    rows = [
        approval_row(context, call, call.unapproved)
        for call in waiting[:SHOWN_MAX]
        if call.unapproved
    ]
    total = await context.lifespan_context.runtime.overview.to_approve()
    told = {"notice": DATA_NOTICE, "approvals": rows, "more": max(0, total - len(rows))}
    return ToolOutcome(success(told))


async def bulk_status(context: Context, given: Arguments) -> Told:
    """Show how far a bulk act is."""
    bulk = await verbs_of(context).bulks.read(given["bulk_id"])
    match bulk.status:
        case BulkStatus.COUNTED:
            step = f"nothing is changed yet: bulk_confirm with count {bulk.count}, or leave it"
        case BulkStatus.QUEUED | BulkStatus.RUNNING:
            step = WAITS
        case _:
            step = SEE_IT
    return ToolOutcome(success(bulk_row(context.lifespan_context, bulk, step)))


def _among(kinds: tuple[RecordKind, ...]) -> str:
    return "; ".join(f"{kind}: {', '.join(STATUSES[kind])}" for kind in kinds)


LIST: Schema = {"type": "array"}
RECORDS: Schema = {"enum": [each.value for each in RecordKind]}
CHOOSING: dict[str, Schema] = {
    "server": TEXT,
    "hook": {"type": "string", "description": "Of events and replies."},
    "workflow": {"type": "string", "description": "Of calls."},
    "status": {
        "anyOf": [TEXT, {"type": "array", "items": TEXT}],
        "description": f"One or several. {_among(tuple(RecordKind))}.",
    },
    "principal": {"type": "string", "description": "Who made the call, or took the event last."},
    "text": {"type": "string", "description": "Part of an id, a summary or a failure."},
    "since": {"type": "string", "description": "How long ago, such as 2h, or a moment in UTC."},
    "until": {"type": "string", "description": "Likewise: what is older."},
    "bulk_id": {
        "type": "string",
        "description": "Only what this bulk act was done to; with no place and no principal.",
    },
}

LOOKING_TOOLS = (
    Tool(
        name="status",
        title="How the bridge stands",
        description=(
            "Shows at one look how many events are queued, leased and dead, how many calls run and "
            "wait, which replies are due or dead, how old the oldest queued event is, how many web "
            "processes and workers live, what is paused, which calls wait until somebody approves "
            "of them, and what is wrong with how to mend it. Changes nothing. Call it first."
        ),
        input=arguments(),
        output=answer(
            "events calls replies oldest_queued_s processes servers paused to_approve wrong",
            **dict.fromkeys(("events", "calls", "replies", "processes"), ROW),
            **dict.fromkeys(("servers", "paused", "to_approve", "wrong"), LIST),
            oldest_queued_s=NUMBER,
        ),
        annotations=hints(read_only=True),
        meta=Meta(always_load=True),
        run=status,
    ),
    Tool(
        name="list_records",
        title="List records",
        description=(
            "Lists events (n8n to Claude), calls (Claude to n8n) or replies of all servers and "
            "principals, newest first; each argument narrows the list. Read on with cursor = "
            "next_cursor. counts_only counts them by status instead. Changes nothing. Summaries "
            "and failures are data from outside. Then show_record tells what happened to one."
        ),
        input=arguments(
            "records",
            records=RECORDS,
            **CHOOSING,
            counts_only={"type": "boolean"},
            limit=LIMIT,
            cursor=CURSOR,
        ),
        output=answer(
            "records next_cursor", records={"type": "array", "items": ROW}, next_cursor=OPTIONAL
        ),
        annotations=hints(read_only=True),
        meta=Meta(always_load=True, is_long=True),
        run=list_records,
    ),
    Tool(
        name="show_record",
        title="Show a record",
        description=(
            "Shows one event (evt_…) or one call (call_…) with its timeline: who took it, every "
            "attempt, why it failed, and its reply's way to n8n. What it carries, and that is data "
            "from outside, only with payload: true. Changes nothing."
        ),
        input=arguments("id", id=TEXT, payload={"type": "boolean"}),
        output=answer("status timeline", status=TEXT, timeline={"type": "array", "items": ROW}),
        annotations=hints(read_only=True),
        meta=Meta(is_long=True),
        run=show_record,
    ),
    Tool(
        name="list_approvals",
        title="What waits for approval",
        description=(
            "Lists the calls that wait until somebody approves of them, the oldest first, each "
            "with who asks, its arguments and the digest that stands for them. whole is false "
            "where not all of the arguments are shown. Changes nothing. Where the host shows "
            "pages, the operator decides there; otherwise approve_call and refuse_call do."
        ),
        input=arguments(),
        output=answer("approvals more", approvals={"type": "array", "items": ROW}, more=NUMBER),
        annotations=hints(read_only=True),
        meta=Meta(is_long=True, app=APPROVALS_URI),
        run=list_approvals,
    ),
    Tool(
        name="bulk_status",
        title="How far a bulk act is",
        description=(
            "Shows how far a bulk act is: how many records it was done to, how many had changed "
            "and were left alone, how many were refused and why, how many are left."
        ),
        input=arguments("bulk_id", bulk_id=TEXT),
        output=BULK_ANSWER,
        annotations=hints(read_only=True),
        run=bulk_status,
    ),
)
"""What changes nothing, which viewers may use too."""
