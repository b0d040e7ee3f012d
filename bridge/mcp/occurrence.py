"""One event as the Events extension sends it, on its feed and to webhooks.

Workers send it too, so nothing here needs the SDK, which takes long to load.
"""

from bridge.configuration.servers import Server
from bridge.errors import NotFoundError
from bridge.mcp.addresses import event_uri
from bridge.mcp.tool_results import DATA_NOTICE, beside, shown_part, value_or_text
from bridge.models import Event, Json, instant
from bridge.schemas.checks import SchemaCache
from bridge.verbs.events import Events


async def occurrence(
    events: Events, schemas: SchemaCache, server: Server, event: Event, chars: int
) -> dict[str, Json] | None:
    """Return an event as it is sent, of a long payload the start; None once it is not kept."""
    try:
        payload = await shown_part(events, schemas, server, event.event_id, "", detailed=False)
    except NotFoundError:
        return None
    received_at, read = instant(event.received_at_ms), value_or_text(payload, 0, chars)
    data: dict[str, Json] = {
        "event_id": event.event_id,
        "hook": event.hook,
        "status": event.status,
        "uri": event_uri(server, event.hook, event.event_id),
        "notice": DATA_NOTICE,
    }
    data |= beside(event, chars)
    if "value" in read:
        data["payload"] = read["value"]
    else:
        data |= read
    return {
        "eventId": event.event_id,
        "name": event.hook,
        "timestamp": received_at,
        "data": data,
    }
