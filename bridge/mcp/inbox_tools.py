"""The inbox: events from n8n as Claude lists, takes, reads, answers and gives them back."""

import dataclasses
from typing import Any

import mcp_types as types

from bridge.configuration.servers import Server
from bridge.errors import NotFoundError
from bridge.formats.file_pages import page_bytes
from bridge.formats.json_text import show
from bridge.mcp.envelopes import DATA_NOTICE, beside, envelope, unless_held, value_or_text
from bridge.mcp.exchange import Caller
from bridge.mcp.leaving import unless_leaving
from bridge.mcp.showing import shown_part, shown_payload
from bridge.mcp.tools import (
    Arguments,
    Context,
    held_by,
    is_detailed,
    seconds,
    success,
    whole,
)
from bridge.models import Event, EventId, EventStatus, LeaseToken, instant, second
from bridge.store.events import Held
from bridge.verbs.receipts import of_event
from bridge.verbs.taking import Presence, Taken


async def list_events(context: Context, given: Arguments) -> types.CallToolResult:
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
    return success(unless_held(told, "events", held_by(given)))


async def take_event(context: Context, given: Arguments) -> types.CallToolResult:
    """Lease the oldest event; it goes back at once if this answer reaches nobody."""
    caller = context.lifespan_context
    hook = _known_hook(caller.server, given.get("hook"))
    if "event_id" in given:
        await caller.demand_event(given["event_id"])
        one = await caller.runtime.questions.take(
            caller.server, caller.principal, given["event_id"]
        )
        return _hand_over(caller, one)
    taking = caller.runtime.takers.take(
        caller.runtime.servers[caller.server.name],
        caller.principal,
        hook,
        seconds(given, "wait_seconds"),
        Presence(caller.probe or caller.is_there, caller.presence_changes),
        caller.scope,
    )
    taken = await unless_leaving(caller.leaving, taking)
    if taken is None:
        return success({"event_id": None})
    return _hand_over(caller, taken)


def _hand_over(caller: Caller, taken: Taken) -> types.CallToolResult:
    caller.receipt = of_event(taken.event.event_id, taken.token)
    payload = shown_payload(caller.runtime, caller.server, taken.event.hook, taken.payload)
    return success(envelope(taken, payload, caller.runtime.settings.result_chars))


async def read_event(context: Context, given: Arguments) -> types.CallToolResult:
    """Read a payload or a part of it, in pages when it is long."""
    part = await read_part(
        context.lifespan_context,
        given["event_id"],
        given.get("path", ""),
        whole(given, "offset", 0),
        detailed=is_detailed(given),
    )
    named = {name: part.pop(name) for name in ("event_id", "path")}
    shown = "value" if "value" in part else "text"
    return success(named | unless_held(part, shown, held_by(given)))


async def read_part(
    caller: Caller, event_id: str, path: str, offset: int, *, detailed: bool = False
) -> dict[str, Any]:
    """Read what `path` names of an event, or the page of it that begins at `offset`."""
    events, chars = caller.runtime.events, caller.runtime.settings.result_chars
    await caller.demand_event(event_id)
    read = {"event_id": event_id, "path": path, "notice": DATA_NOTICE}
    file = await events.read_file(caller.server.name, event_id, path, offset, page_bytes(chars))
    if file is not None:
        return read | dataclasses.asdict(file)
    if path == "" and offset == 0:
        read |= beside(await events.find(caller.server.name, event_id), chars)
    value = await shown_part(caller.runtime, caller.server, event_id, path, detailed=detailed)
    return read | value_or_text(value, offset, chars)


async def reply_to_event(context: Context, given: Arguments) -> types.CallToolResult:
    """Settle an event with Claude's answer."""
    caller = context.lifespan_context
    held = await _held(context, given)
    status = await caller.runtime.events.reply(caller.server, held, given["reply"])
    return _done(context, given, status=EventStatus.ANSWERED, reply_status=status)


async def extend_event(context: Context, given: Arguments) -> types.CallToolResult:
    """Give a lease more time."""
    until_ms = await context.lifespan_context.runtime.events.extend(
        await _held(context, given), seconds(given, "seconds")
    )
    return _done(context, given, lease_until=instant(until_ms))


async def release_event(context: Context, given: Arguments) -> types.CallToolResult:
    """Give an event back, or set it aside."""
    status = await context.lifespan_context.runtime.events.release(
        await _held(context, given),
        reason=given.get("reason", ""),
        delay_s=seconds(given, "delay_seconds"),
        dead=given.get("dead", False),
    )
    return _done(context, given, status=status)


def _done(context: Context, given: Arguments, **told: str) -> types.CallToolResult:
    """Tell what was done to an event, which whoever asked has just named."""
    if context.lifespan_context.server.trim_context:
        return success(told)
    return success({"event_id": given["event_id"]} | told)


def _known_hook(server: Server, hook: str | None) -> str | None:
    if hook is not None and hook not in server.hooks:
        raise NotFoundError(
            f"no hook {show(hook)} here; there are: {', '.join(server.hooks) or 'none'}"
        )
    return hook


async def _held(context: Context, given: Arguments) -> Held:
    caller = context.lifespan_context
    await caller.demand_event(given["event_id"])
    return Held(EventId(given["event_id"]), LeaseToken(given["lease"]), caller.principal)


def row(event: Event) -> dict[str, Any]:
    """Give an event as it stands in a list; its summary is from outside."""
    return {
        "event_id": event.event_id,
        "hook": event.hook,
        "status": event.status,
        "attempt": event.attempt,
        "received_at": second(event.received_at_ms),
        "summary": event.summary,
    }


def detailed_row(event: Event) -> dict[str, Any]:
    """Give an event with all that is known of it but its payload."""
    more = {
        "received_at": instant(event.received_at_ms),
        "reply_status": event.reply.status,
        "merged": event.merged,
        "reason": event.reason,
        "execution": event.execution,
        "media_type": event.media_type,
    }
    return row(event) | {name: said for name, said in more.items() if said}
