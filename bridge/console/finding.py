"""From any id to its record: of an event, a call, an execution of n8n, or a use of a tool."""

import re
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from bridge.console.listing import IDS_ALONE, LOOK, ROWS, TEXT_CHARS_MAX, is_id
from bridge.console.visits import Visit
from bridge.errors import MalformedError
from bridge.models import Call, Event
from bridge.verbs.record_search import RecordSearch, SearchBudget

EACH = SearchBudget(LOOK.within_s / 3, 10)
"""For how long events are looked through for an id, and calls as long."""
RECORD = re.compile(r"(evt|call)_[\w-]+")


async def show_found(visit: Visit) -> Response:
    """Lead to the one record that has an id, or show all that mention it.

    Raises:
        MalformedError: a viewer asks for what is no id of ours or of a tool's use.
        NotFoundError: there is no record of such an id.
    """
    text = visit.request.query_params.get("id", "").strip()[:TEXT_CHARS_MAX]
    if not text:
        return visit.back_to("")
    if RECORD.fullmatch(text):
        return await _lead(visit, text)
    if not visit.login.sees_payloads and not is_id(text):
        raise MalformedError(IDS_ALONE)
    wanted = RecordSearch(text=text, ids_alone=not visit.login.sees_payloads)
    events = await visit.runtime.records.events(wanted, ROWS, EACH)
    calls = await visit.runtime.records.calls(wanted, ROWS, EACH)
    if path := _only(text, events.rows, calls.rows):
        return visit.back_to(path)
    return visit.page("found.html", text=text, events=events, calls=calls)


async def _lead(visit: Visit, text: str) -> Response:
    if text.startswith("evt_"):
        await visit.runtime.operators.event(text)
        return visit.back_to(f"/events/{text}")
    await visit.runtime.operators.call(text)
    return visit.back_to(f"/calls/{text}")


def _only(text: str, events: Sequence[Event], calls: Sequence[Call]) -> str:
    """Return the path of the one record that an execution has led to, if it is one."""
    found = [f"/events/{each.event_id}" for each in events if _is_of(text, each.execution)]
    found += [f"/calls/{each.call_id}" for each in calls if _is_of(text, each.execution)]
    return found[0] if len(found) == 1 else ""


def _is_of(text: str, execution: Any) -> bool:
    return bool(execution) and text in (execution, execution.rpartition("/")[2])
