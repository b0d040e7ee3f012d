"""The tools of the inbox: list, take, read, answer, extend and release events."""

import dataclasses
import functools
from typing import Any

from bridge.configuration.servers import Server
from bridge.errors import NotFoundError, PausedError
from bridge.formats.json_text import show
from bridge.mcp.apps import INBOX_URI
from bridge.mcp.event_parts import read_part
from bridge.mcp.file_contents import beside_files
from bridge.mcp.record_files import event_files, with_files
from bridge.mcp.tool_results import (
    envelope,
    shown_payload,
    unless_held,
)
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
    Schema,
    Told,
    Tool,
    ToolOutcome,
    arguments,
    held_by,
    hints,
    is_detailed,
    origin,
    seconds,
    success,
    unless_leaving,
    whole,
)
from bridge.models import (
    PAUSE_S_MAX,
    REASON_CHARS_MAX,
    Event,
    EventId,
    EventStatus,
    Json,
    LeaseRef,
    LeaseToken,
    instant,
    second,
)
from bridge.verbs.acks import ack_of_lease
from bridge.verbs.takers import Taken


async def list_events(context: Context, given: Arguments) -> Told:
    """List events, oldest first."""
    caller = context.lifespan_context
    hook = _known_hook(caller.server, given.get("hook"))
    status = EventStatus(given.get("status", EventStatus.QUEUED))
    listing = await caller.runtime.events.list(
        caller.server, hook, status, whole(given, "limit", 20), given.get("cursor")
    )
    describe = detailed_row if is_detailed(given) else row
    told = {
        "events": [describe(event) for event in listing.events],
        "next_cursor": listing.next_cursor,
    }
    if paused := [event for event in listing.events if event.paused_at_ms]:
        place, at_ms = f"{caller.server.name}/{paused[0].hook}", paused[0].paused_at_ms
        told["paused"] = str(PausedError(place, second(at_ms or 0)))
    return ToolOutcome(success(unless_held(told, "events", held_by(given))))


async def take_event(context: Context, given: Arguments) -> Told:
    """Lease the oldest event; it goes back at once if this answer reaches nobody."""
    caller = context.lifespan_context
    hook = _known_hook(caller.server, given.get("hook"))
    if "event_id" in given:
        await caller.demand_event(given["event_id"])
        one = await caller.runtime.questions.take(
            caller.server, caller.principal, given["event_id"], origin(context)
        )
        return await _taken(context, one)
    taking = caller.runtime.takers.take(
        caller.runtime.servers.get(caller.server.name, caller.server),
        caller.principal,
        hook,
        seconds(given, "wait_seconds"),
        dataclasses.replace(caller.presence(), origin=origin(context)),
        caller.scope,
    )
    try:
        taken = await unless_leaving(caller.leaving, taking)
    except PausedError as error:
        return ToolOutcome(success({"event_id": None, "paused": str(error)}))
    if taken is None:
        return ToolOutcome(success({"event_id": None}))
    return await _taken(context, taken)


async def _taken(context: Context, taken: Taken) -> Told:
    caller = context.lifespan_context
    ack = ack_of_lease(taken.event.event_id, taken.token)
    lean, files = await event_files(caller, taken.event, taken.payload)
    payload = shown_payload(caller.runtime.schemas, caller.server, taken.event.hook, lean)
    told = success(envelope(taken, payload, caller.runtime.settings.result_chars))
    if files:
        told = await beside_files(told, files, context.protocol_version)
    return ToolOutcome(told, ack)


async def read_event(context: Context, given: Arguments) -> Told:
    """Read a payload or a part of it, in pages when it is long."""
    caller, offset = context.lifespan_context, whole(given, "offset", 0)
    event_id, path = given["event_id"], given.get("path", "")
    read = await read_part(caller, event_id, path, offset, detailed=is_detailed(given))
    part = dict(read.told)
    named = {name: part.pop(name) for name in ("event_id", "path")}
    shown = "value" if "value" in part else "text"
    told = success(named | unless_held(part, shown, held_by(given)))
    if read.files and offset == 0 and not (told.structured_content or {}).get("unchanged"):
        told = await beside_files(told, read.files, context.protocol_version)
    return ToolOutcome(told)


async def reply_to_event(context: Context, given: Arguments) -> Told:
    """Settle an event with Claude's answer, and the files whose addresses it names."""
    caller, reply = context.lifespan_context, given["reply"]
    held = dataclasses.replace(await _held(context, given), origin=origin(context))
    told: dict[str, Any] = {}
    if any(hook.replies_with_files for hook in caller.server.hooks.values()):
        reply, told = await _with_files(caller, given["event_id"], reply)
    status = await caller.runtime.events.reply(caller.server, held, reply)
    return _done(context, given, status=EventStatus.ANSWERED, reply_status=status, **told)


async def _with_files(caller: Caller, event_id: str, reply: Json) -> tuple[Json, dict[str, Any]]:
    event = await caller.runtime.events.find(caller.server.name, event_id)
    hook = caller.server.hooks.get(event.hook)
    if hook is None or hook.reply is None or not hook.replies_with_files:
        return reply, {}
    broken = "the reply breaks this hook's schema"
    meant = await caller.runtime.schemas.mended(hook.reply, reply, broken)
    filled_in, files = await with_files(caller, hook.reply, meant)
    return filled_in, {"files": files} if files else {}


async def extend_event(context: Context, given: Arguments) -> Told:
    """Return a lease more time."""
    until_ms = await context.lifespan_context.runtime.events.extend(
        await _held(context, given), seconds(given, "seconds")
    )
    return _done(context, given, lease_until=instant(until_ms))


async def release_event(context: Context, given: Arguments) -> Told:
    """Release an event, or set it aside."""
    status = await context.lifespan_context.runtime.events.release(
        await _held(context, given),
        reason=given.get("reason", ""),
        delay_s=seconds(given, "delay_seconds"),
        dead=given.get("dead", False),
    )
    return _done(context, given, status=status)


def _done(context: Context, given: Arguments, **told: Any) -> Told:
    """Report what was done to an event, which whoever asked has just named."""
    if context.lifespan_context.server.trim_context:
        return ToolOutcome(success(told))
    return ToolOutcome(success({"event_id": given["event_id"]} | told))


def _known_hook(server: Server, hook: str | None) -> str | None:
    if hook is not None and hook not in server.hooks:
        raise NotFoundError(
            f"no hook {show(hook)} here; there are: {', '.join(server.hooks) or 'none'}"
        )
    return hook


async def _held(context: Context, given: Arguments) -> LeaseRef:
    caller = context.lifespan_context
    await caller.demand_event(given["event_id"])
    return LeaseRef(EventId(given["event_id"]), LeaseToken(given["lease"]), caller.principal)


def row(event: Event) -> dict[str, Any]:
    """Return an event as it stands in a list; its summary is from outside."""
    return {
        "event_id": event.event_id,
        "hook": event.hook,
        "status": event.status,
        "attempt": event.attempt,
        "received_at": second(event.received_at_ms),
        "summary": event.summary,
    }


def detailed_row(event: Event) -> dict[str, Any]:
    """Return an event with all that is known of it but its payload."""
    more = {
        "received_at": instant(event.received_at_ms),
        "reply_status": event.reply.status,
        "merged": event.merged,
        "reason": event.reason,
        "execution": event.execution,
        "media_type": event.media_type,
    }
    return row(event) | {name: said for name, said in more.items() if said}


_EVENT_ID = {"type": "string"}
_LEASE = {"type": "string", "description": "From take_event."}
_HOOK = {"type": "string", "description": "Only this hook's."}
_TYPES = ("object", "array", "string", "number", "boolean", "null")


def inbox_tools(server: Server) -> tuple[Tool, ...]:
    """Return the inbox's tools, with the types that a reply to the server's hooks may have.

    n8n's MCP Client Tool makes an argument without a type optional to its model, and its node sends
    one of several types as a text; of a single type it sends what that type says.
    """
    declared: set[str] = set()
    for hook in server.hooks.values():
        declared |= _types_of(hook.reply)
    types = tuple(name for name in _TYPES if name in declared) or _TYPES
    return _tools_for(types, any(hook.replies_with_files for hook in server.hooks.values()))


@functools.cache  # schemas are compiled and kept by their identity
def _tools_for(reply_types: tuple[str, ...], has_files: bool) -> tuple[Tool, ...]:
    types = reply_types[0] if len(reply_types) == 1 else list(reply_types)
    files = " For a file in base64 the address (event:, call:) of one will do." * has_files
    reply: Schema = {"type": types, "description": f"What the hook asks for.{files}"}
    return tuple(_with_reply(tool, reply) for tool in _TOOLS)


def _with_reply(tool: Tool, reply: Schema) -> Tool:
    properties = tool.input["properties"]
    if "reply" not in properties:
        return tool
    return dataclasses.replace(
        tool, input=tool.input | {"properties": properties | {"reply": reply}}
    )


def _types_of(schema: dict[str, Any] | None) -> set[str]:
    named = (schema or {}).get("type", list(_TYPES))
    names = [named] if isinstance(named, str) else named
    return {"number" if name == "integer" else name for name in names}


_TOOLS = (
    Tool(
        name="list_events",
        title="List events",
        description=(
            "Lists events that n8n has sent, oldest first, without taking them. "
            "To work on one, use take_event."
        ),
        input=arguments(
            hook=_HOOK,
            status={
                "enum": [status.value for status in EventStatus],
                "description": "Default: queued.",
            },
            limit=LIMIT,
            cursor=CURSOR,
            response_format=RESPONSE_FORMAT,
            if_changed_from=IF_CHANGED_FROM,
        ),
        annotations=hints(read_only=True),
        meta=Meta(search_hint="inbox, n8n, webhook", app=INBOX_URI),
        run=list_events,
    ),
    Tool(
        name="take_event",
        title="Take the next event",
        description=(
            "Takes the oldest queued event for you alone, with its payload and a lease. Before the "
            "lease ends, answer with reply_to_event or give back with release_event. With "
            "wait_seconds it waits for one; event_id is null when there is none. Of a long payload "
            "you get the start: read on with read_event from next_offset. `merged` counts earlier "
            "payloads that this one replaces."
        ),
        input=arguments(
            hook=_HOOK,
            event_id={"type": "string", "description": "Only this event, whoever waits."},
            wait_seconds=WAIT_SECONDS,
        ),
        annotations=hints(read_only=False),
        meta=Meta(always_load=True, is_long=True),
        run=take_event,
    ),
    Tool(
        name="read_event",
        title="Read an event",
        description=(
            "Reads an event's payload, or the part that `path` names. Long ones come as text in "
            "pages: read on with offset = next_offset until that is null. A file that came along "
            "has its own path, such as /files/0, and comes as text or else as base64, with an "
            "image or audio itself beside that."
        ),
        input=arguments(
            "event_id",
            event_id=_EVENT_ID,
            path={"type": "string", "description": "JSON Pointer, such as /ticket/body."},
            offset=OFFSET,
            response_format=RESPONSE_FORMAT,
            if_changed_from=IF_CHANGED_FROM,
        ),
        annotations=hints(read_only=True),
        meta=Meta(is_long=True, search_hint="payload, attachment"),
        run=read_event,
    ),
    Tool(
        name="reply_to_event",
        title="Reply to an event",
        description=(
            "Answers an event that you took, once: the reply goes to the n8n workflow that waits. "
            "The hook's description says what it expects."
        ),
        input=arguments(
            "event_id lease reply",
            event_id=_EVENT_ID,
            lease=_LEASE,
            reply={},
        ),
        annotations=hints(read_only=False, idempotent=True, open_world=True),
        meta=Meta(always_load=True),
        run=reply_to_event,
    ),
    Tool(
        name="extend_event",
        title="Keep an event longer",
        description="Gives you this many seconds from now to answer an event that you took.",
        input=arguments(
            "event_id lease seconds",
            event_id=_EVENT_ID,
            lease=_LEASE,
            seconds={"type": "number", "exclusiveMinimum": 0, "maximum": 86400},
        ),
        annotations=hints(read_only=False, idempotent=True),
        run=extend_event,
    ),
    Tool(
        name="release_event",
        title="Give an event back",
        description=(
            "Gives back an event that you took and cannot answer: it is queued again, after "
            "delay_seconds if you like; with dead: true it is set aside for people."
        ),
        input=arguments(
            "event_id lease",
            event_id=_EVENT_ID,
            lease=_LEASE,
            reason={
                "type": "string",
                "maxLength": REASON_CHARS_MAX,
                "description": "Why, for people.",
            },
            delay_seconds={"type": "number", "minimum": 0, "maximum": PAUSE_S_MAX},
            dead={"type": "boolean"},
        ),
        annotations=hints(read_only=False, idempotent=True),
        meta=Meta(search_hint="postpone, dead letter"),
        run=release_event,
    ),
)
