"""The lists of events, calls and replies: what is asked for, and the newest that are so."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from bridge.console.visits import Visit
from bridge.errors import MalformedError, NotFoundError
from bridge.formats.cursors import order_after
from bridge.formats.times import PastMoment, moment
from bridge.models import CallStatus, Event, EventStatus, ReplyStatus, SubscriptionStatus
from bridge.verbs.record_filters import SearchTerms
from bridge.verbs.record_search import RecordPage, RecordSearch, SearchBudget
from bridge.verbs.records import Records
from bridge.web.problems import status_of

ROWS = 50
TEXT_CHARS_MAX = 200
LOOK = SearchBudget(0.04, 20)
"""For how long a page looks for records before it shows what it has found, and looks on."""
FOLLOWED_SHARE = 0.025
"""How much of its time Redis may spend on finding a list anew for one who follows it."""
PLACE = ("before", "shown")
"""What of an address says where in a list, and not what of it: how many a page has by now."""
WINDOWS = {"15m": "15 minutes", "1h": "hour", "24h": "24 hours", "7d": "7 days"}
IDS_ALONE = (
    "A viewer looks for ids alone, which begin with evt_, call_ or toolu_: summaries are payloads."
)
_ID = re.compile(r"(evt|call|toolu)_[\w-]*")


@dataclass(frozen=True)
class Listing:
    """One kind of records, and what may be asked of them."""

    kind: str
    part: str
    statuses: tuple[StrEnum, ...]
    by: str
    find: Callable[[Records, RecordSearch, int, SearchBudget], Awaitable[RecordPage[Any]]]


EVENTS = Listing("events", "hook", tuple(EventStatus), "Taken by", Records.events)
CALLS = Listing("calls", "workflow", tuple(CallStatus), "Made by", Records.calls)
REPLIES = Listing("replies", "hook", tuple(ReplyStatus)[1:], "Taken by", Records.replies)
SUBSCRIPTIONS = Listing(
    "subscriptions", "hook", tuple(SubscriptionStatus), "Made by", Records.subscriptions
)

NOTHING: RecordPage[Event] = RecordPage([], None, is_cut=False)


async def show_events(visit: Visit) -> Response:
    """Show the events that are asked for."""
    return await _show(visit, EVENTS)


async def show_calls(visit: Visit) -> Response:
    """Show the calls that are asked for."""
    return await _show(visit, CALLS)


async def show_replies(visit: Visit) -> Response:
    """Show the replies that are asked for."""
    return await _show(visit, REPLIES)


async def show_subscriptions(visit: Visit) -> Response:
    """Show the webhook subscriptions that are asked for."""
    return await _show(visit, SUBSCRIPTIONS)


def is_id(text: str) -> bool:
    """Report whether a text looks like an id that tells nothing of a payload, or its beginning."""
    return _ID.fullmatch(text) is not None


async def _show(visit: Visit, listing: Listing) -> Response:
    """Show the newest that are asked for, or, to a page that looks on, what it has not shown."""
    asked = {name: text for name, text in visit.request.query_params.items() if text.strip()}
    found: RecordPage[Any] = NOTHING
    fault, status, began_at = "", HTTPStatus.OK, time.monotonic()
    shown = min(ROWS - 1, int(asked["shown"][:3])) if asked.get("shown", "").isdecimal() else 0
    try:
        wanted = await wanted_of(visit, listing, asked)
        found = await listing.find(visit.runtime.records, wanted, ROWS - shown, LOOK)
    except (MalformedError, NotFoundError) as error:
        # htmx shows what an error says only of pages that are there.
        fault, status = str(error), HTTPStatus.OK if "shown" in asked else status_of(error)
    took_s = time.monotonic() - began_at
    from_newest = {name: text for name, text in asked.items() if name not in PLACE}
    return visit.page(
        "list.html",
        status,
        listing=listing,
        asked=asked,
        fault=fault,
        found=found,
        shown=shown,
        is_followed="before" not in asked and not found.is_cut,
        pace_s=max(1.0, round(took_s / FOLLOWED_SHARE, 1)),
        windows=WINDOWS,
        servers=sorted(visit.runtime.servers),
        parts=_parts(visit, listing),
        here=f"?{urlencode(from_newest)}",
        further=f"?{urlencode(from_newest | {'before': found.cursor})}" if found.cursor else "",
    )


async def wanted_of(visit: Visit, listing: Listing, asked: Mapping[str, str]) -> RecordSearch:
    """Return which records the filter of a list asks for.

    Raises:
        MalformedError: naming what is not as it may be, or what a viewer may not look for.
    """
    text, status = asked.get("q", "").strip()[:TEXT_CHARS_MAX], asked.get("status")
    if status and status not in listing.statuses:
        known = ", ".join(listing.statuses)
        raise MalformedError(f"there is no status {status} of {listing.kind}; there are: {known}")
    if text and not visit.login.sees_payloads and not is_id(text):
        raise MalformedError(IDS_ALONE)
    terms = SearchTerms(
        server=asked.get("server"),
        part=asked.get(listing.part),
        statuses=(status,) if status else (),
        principal=asked.get("principal"),
        text=text,
        since=_moment(asked.get("since")),
        until=_moment(asked.get("until")),
        bulk=asked.get("bulk"),
    )
    cursor = order_after(asked["before"]) if "before" in asked else None
    ids_alone = not visit.login.sees_payloads
    return await terms.search(visit.runtime.operators, cursor, ids_alone=ids_alone)


def _moment(text: str | None) -> PastMoment | None:
    try:
        return moment(text) if text else None
    except ValueError as error:
        raise MalformedError(f"that is no time: it {error}") from error


def _parts(visit: Visit, listing: Listing) -> list[str]:
    servers = visit.runtime.servers.values()
    named = (server.workflows if listing.part == "workflow" else server.hooks for server in servers)
    return sorted({name for names in named for name in names})
