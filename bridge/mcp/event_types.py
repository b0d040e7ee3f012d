"""What the Events extension says of each hook: a type of event, and the shape of what is told."""

import json
from typing import Any

from bridge.configuration.servers import Hook
from bridge.models import EventStatus

DELIVERY = ("poll", "push")
_TEXT = {"type": "string"}


def event_type(hook: Hook, *, webhooks: bool = False) -> dict[str, Any]:
    """Give a hook as it stands in the list of events, for who may have `webhooks` or may not."""
    return {
        "name": hook.name,
        "description": hook.description or f"An event came on the hook {hook.name}.",
        "delivery": [*DELIVERY, "webhook"] if webhooks else list(DELIVERY),
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
        "payloadSchema": {
            "type": "object",
            "properties": {
                "event_id": _TEXT,
                "hook": {"const": hook.name},
                "status": {"enum": [status.value for status in EventStatus]},
                "uri": _TEXT | {"description": "Where resources/read gives the event."},
                "notice": _TEXT,
                **_kept(hook),
                "payload": _payload(hook),
                "text": _TEXT | {"description": "The start of a long payload, in its place."},
                "next_offset": {"type": "integer", "description": "Where read_event reads on."},
            },
            "required": ["event_id", "hook", "status", "uri", "notice"],
        },
    }


def _kept(hook: Hook) -> dict[str, Any]:
    """Return the schemas of what a hook keeps beside the payload; text stands for long ones."""
    if hook.keep is None:
        return {}
    asked = {"headers": bool(hook.keep.headers), "query": hook.keep.query}
    return {name: {"type": ["object", "string"]} for name, is_kept in asked.items() if is_kept}


def _payload(hook: Hook) -> dict[str, Any]:
    """Give the schema of a hook's payloads as a part of another."""
    schema = hook.payload or {}
    if "$ref" in json.dumps(schema):  # what it refers to is found from its own root
        schema = {"$id": f"urn:n8n-hook:{hook.name}", **schema}
    return schema
