"""Parts of payloads, results and answers that are too long for the page of their record."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response

from bridge.console.values import place_of, shown_part
from bridge.console.visits import Visit
from bridge.errors import ForbiddenError, NotFoundError
from bridge.formats.json_text import encode

Read = Callable[[Visit, str], Awaitable[bytes]]
HIDDEN = "viewers are shown no payloads and no results"


async def _payload(visit: Visit, event_id: str) -> bytes:
    return await visit.runtime.operators.payload(event_id)


async def _kept(visit: Visit, event_id: str) -> bytes:
    event, _ = await visit.runtime.operators.event(event_id)
    return encode(event.kept)


async def _answer(visit: Visit, event_id: str) -> bytes:
    event, _ = await visit.runtime.operators.event(event_id)
    return event.reply.value or b""


async def _arguments(visit: Visit, call_id: str) -> bytes:
    call, _ = await visit.runtime.operators.call(call_id)
    return call.arguments


async def _result(visit: Visit, call_id: str) -> bytes:
    call, _ = await visit.runtime.operators.call(call_id)
    return call.result or b""


OF_EVENT: Mapping[str, Read] = {"payload": _payload, "kept": _kept, "answer": _answer}
OF_CALL: Mapping[str, Read] = {"arguments": _arguments, "result": _result}


async def show_event_value(visit: Visit) -> Response:
    """Show a part of what an event holds."""
    return await _show(visit, OF_EVENT, visit.request.path_params["event_id"])


async def show_call_value(visit: Visit) -> Response:
    """Show a part of what a call holds."""
    return await _show(visit, OF_CALL, visit.request.path_params["call_id"])


async def _show(visit: Visit, values: Mapping[str, Read], record_id: str) -> Response:
    """Show the part that an address names (`at`, `after`, `offset`).

    Raises:
        ForbiddenError: a viewer may not see it.
        NotFoundError: there is no such record, value or place.
    """
    if not visit.login.sees_payloads:
        raise ForbiddenError(HIDDEN, "")
    name = visit.request.path_params["name"]
    content = await values[name](visit, record_id) if name in values else b""
    if not content:
        raise NotFoundError("it holds no such value")
    place = place_of(visit.request.query_params)
    part = await shown_part(content, place)
    return visit.page(
        "value.html", record_id=record_id, name=name, place=place, part=part, size=len(content)
    )
