"""One event or call: its facts, its way through three systems, and what it holds."""

from starlette.responses import Response

from bridge.console.journeys import call_journey, event_journey
from bridge.console.values import shown_value
from bridge.console.visits import Visit
from bridge.errors import NotFoundError
from bridge.formats.json_text import encode
from bridge.models import EventStatus, ReplyStatus
from bridge.n8n.reply_address import link_to

SET_ASIDE = (EventStatus.DEAD, EventStatus.EXPIRED)


async def show_event(visit: Visit) -> Response:
    """Show one event with its reply."""
    operators, sees = visit.runtime.operators, visit.login.sees_payloads
    event, timeline = await operators.event(visit.request.path_params["event_id"])
    payload = await operators.payload(event.event_id) if sees else b""
    return visit.page(
        "event.html",
        event=event,
        n8n_link=link_to(event.execution, visit.runtime.settings.n8n_url),
        journey=await event_journey(visit, event, timeline),
        left_out=timeline.left_out,
        payload=await shown_value(payload),
        kept=await shown_value(encode(event.kept)) if sees and event.kept else None,
        answer=await shown_value(event.reply.value or b"") if sees else None,
        may_release=event.status is EventStatus.LEASED,
        may_expire=event.status in (EventStatus.QUEUED, EventStatus.LEASED),
        may_redrive=event.status in SET_ASIDE or event.reply.status is ReplyStatus.DEAD,
    )


async def show_reply(visit: Visit) -> Response:
    """Show the event that a reply answers.

    Raises:
        NotFoundError: there is no such event, or it has no reply.
    """
    event, _ = await visit.runtime.operators.event(visit.request.path_params["event_id"])
    if event.reply.status is ReplyStatus.NONE:
        raise NotFoundError("no such reply")
    return await show_event(visit)


async def show_call(visit: Visit) -> Response:
    """Show one call."""
    sees = visit.login.sees_payloads
    call, timeline = await visit.runtime.operators.call(visit.request.path_params["call_id"])
    return visit.page(
        "call.html",
        call=call,
        n8n_link=link_to(call.execution or "", visit.runtime.settings.n8n_url),
        journey=await call_journey(visit, call, timeline),
        left_out=timeline.left_out,
        arguments=await shown_value(call.arguments) if sees else None,
        result=await shown_value(call.result or b"") if sees else None,
        may_cancel=not call.status.is_final,
    )
