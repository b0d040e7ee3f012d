"""Pages that follow what happens: a stream tells one that what it shows has changed.

It brings nothing else. The browser asks for the page anew, with the rights that it has by then, so
that many events cost no more than one page a second.
"""

import asyncio
import contextlib
from http import HTTPStatus

from starlette.requests import Request
from starlette.types import ASGIApp

from bridge.console.visits import login_of
from bridge.errors import MalformedError, TransientError
from bridge.mcp.wires.event_stream import EventStream, Last, Source, event, keepalive
from bridge.net.draining import StreamShares
from bridge.net.problem import problem
from bridge.verbs.changes import Changes, Watched, WatchedKind
from bridge.web.middleware import state_of

PACE_S, PACE_MAX_S = 1.0, 60.0
"""How far apart a page hears of changes, at least, and how far at most it may ask for."""
AGAIN_MS = 1000
"""How soon a browser comes back whose stream has ended with its process."""
NAME_CHARS_MAX = 200
STREAMS_MAX = 200
STREAMS_OF_LOGIN_MAX = 20
CHANGED = event("changed", name=None)
BEGIN = event("changed", name=None, retry_ms=AGAIN_MS)
LOGGED_OUT = Last(event("logged out", name="end"))


class LivePages:
    """The streams of a process, and what they are notified by."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.shares = StreamShares(STREAMS_OF_LOGIN_MAX, STREAMS_MAX)


async def follow(request: Request) -> ASGIApp:
    """Open the stream of a page: of what it shows (`of`, `name`), at its pace (`pace` in seconds).

    Raises:
        MalformedError: there is nothing of the kind to watch.
        TransientError: this process holds as many streams as it may.
    """
    login = await login_of(request)
    if login is None:
        return problem(HTTPStatus.UNAUTHORIZED, "log in at /console/login")
    watched, pace_s = _asked(request)
    pages, streams = _pages(request), state_of(request).streams
    streams.demand_room()
    pages.shares.demand_room(login.csrf)
    return EventStream(_told(request, pages, login.csrf, watched, pace_s), streams)


async def _told(
    request: Request, pages: LivePages, login: str, watched: Watched, pace_s: float
) -> Source:
    """Yield each change, signs of life, and that the login counts no more.

    It begins with a change: what came before it was not looked for. It ends while Redis is away.
    """
    turn = request.app.runtime.mcp.keepalives.name()
    with pages.shares.counting(login), contextlib.suppress(TransientError):
        async with pages.changes.watching(watched, turn) as woken:
            yield BEGIN
            while True:
                await asyncio.sleep(pace_s)
                names = await woken.notified()
                if turn in names and not await login_of(request):
                    yield LOGGED_OUT
                    return
                yield CHANGED if watched.signal in names else keepalive()


def _asked(request: Request) -> tuple[Watched, float]:
    given = request.query_params
    try:
        kind, pace_s = WatchedKind(given.get("of", "")), float(given.get("pace", PACE_S))
    except ValueError as error:
        raise MalformedError(f"say what to follow: {', '.join(WatchedKind)}") from error
    name = given.get("name", "")[:NAME_CHARS_MAX]
    return Watched(kind, name), min(PACE_MAX_S, max(PACE_S, pace_s))  # in this order, for nan


def _pages(request: Request) -> LivePages:
    """Return the pages of a process, from the first stream on that one is asked for."""
    app = request.app
    if not hasattr(app.state, "live_pages"):
        changes = Changes.of(app.runtime.steps, app.runtime.workers.signals, app.mcp.tasks)
        app.state.live_pages = LivePages(changes)
    pages: LivePages = app.state.live_pages
    return pages
