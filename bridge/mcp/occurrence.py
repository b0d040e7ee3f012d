"""What is told of an event to whoever hears of events: an occurrence of the Events extension."""

from bridge.configuration.servers import Server
from bridge.errors import NotFoundError
from bridge.mcp.addresses import event_uri
from bridge.mcp.envelopes import DATA_NOTICE, beside, value_or_text
from bridge.mcp.showing import shown_part
from bridge.models import Event, Json, instant
from bridge.runtime import Runtime


async def occurrence(
    runtime: Runtime, server: Server, event: Event, chars: int
) -> dict[str, Json] | None:
    """Give an event as it is told, of a long payload the start; None once it is no longer kept."""
    try:
        payload = await shown_part(runtime, server, event.event_id, "", detailed=False)
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
