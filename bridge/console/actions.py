"""What operators change: forms that each do one act, leave its audit line, and lead back."""

from starlette.responses import Response

from bridge.console.visits import Visit
from bridge.log import OPERATOR, audit
from bridge.models import EventId


async def redrive_event(visit: Visit) -> Response:
    """Queue an event anew that was set aside, or send its dead reply again."""
    event_id = visit.request.path_params["event_id"]
    await visit.runtime.operators.redrive(event_id)
    audit(OPERATOR, "console events redrive", event_id, "done")
    return visit.back_to(f"/events/{event_id}")


async def redrive_reply(visit: Visit) -> Response:
    """Send a dead reply again."""
    event_id = visit.request.path_params["event_id"]
    await visit.runtime.operators.replies.redrive(EventId(event_id))
    audit(OPERATOR, "console replies redrive", event_id, "done")
    return visit.back_to(f"/replies/{event_id}")


async def cancel_call(visit: Visit) -> Response:
    """End a call, sent or not."""
    call_id = visit.request.path_params["call_id"]
    await visit.runtime.operators.cancel(call_id)
    audit(OPERATOR, "console calls cancel", call_id, "done")
    return visit.back_to(f"/calls/{call_id}")
