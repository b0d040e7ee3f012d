"""The inbox as Claude is offered it: its tools, by what they say of themselves."""

import dataclasses
import functools
from typing import Any

from bridge.configuration.servers import Server
from bridge.mcp.inbox_tools import (
    extend_event,
    list_events,
    read_event,
    release_event,
    reply_to_event,
    take_event,
)
from bridge.mcp.tools import (
    CURSOR,
    IF_CHANGED_FROM,
    LIMIT,
    OFFSET,
    RESPONSE_FORMAT,
    WAIT_SECONDS,
    Meta,
    Schema,
    Tool,
    arguments,
    hints,
)
from bridge.models import EventStatus

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
    return _tools_for(tuple(name for name in _TYPES if name in declared) or _TYPES)


@functools.cache  # schemas are compiled and kept by their identity
def _tools_for(reply_types: tuple[str, ...]) -> tuple[Tool, ...]:
    types = reply_types[0] if len(reply_types) == 1 else list(reply_types)
    reply: Schema = {"type": types, "description": "What the hook asks for."}
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
        meta=Meta(search_hint="inbox, n8n, webhook"),
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
            "has its own path, such as /files/0, and comes as text or else as base64."
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
            reason={"type": "string", "maxLength": 1000, "description": "Why, for people."},
            delay_seconds={"type": "number", "minimum": 0, "maximum": 604800},
            dead={"type": "boolean"},
        ),
        annotations=hints(read_only=False, idempotent=True),
        meta=Meta(search_hint="postpone, dead letter"),
        run=release_event,
    ),
)
