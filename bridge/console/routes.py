"""The addresses of the operators' pages.

What makes a page is loaded as a process starts where anybody can log in, so that files which are
replaced while it runs (an upgrade in place) change no page of it. Elsewhere it is loaded when
somebody asks for a page, who is told that the console is off.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

Endpoint = Callable[[Request], Awaitable[ASGIApp]]


def _pages() -> Mapping[tuple[str, str], Endpoint]:
    from bridge.console.pages import PAGES

    return PAGES


async def load_pages() -> None:
    """Load all that makes pages."""
    await asyncio.to_thread(_pages)


def _route(method: str, path: str) -> Route:
    async def answer(request: Request) -> ASGIApp:
        return await (await asyncio.to_thread(_pages))[method, path](request)

    return Route(path, answer, methods=[method])


def _stream(path: str) -> Route:
    """Route GET alone: by the HEAD that the framework adds, a stream would open and stay."""
    route = _route("GET", path)
    route.methods = {"GET"}
    return route


ROUTES = (
    _route("GET", "/console"),
    _route("GET", "/console/static/{name}"),
    _route("GET", "/console/login"),
    _route("POST", "/console/login"),
    _route("POST", "/console/logout"),
    _route("GET", "/console/openid"),
    _route("GET", "/console/openid/back"),
    _stream("/console/live"),
    _route("GET", "/console/events"),
    _route("GET", "/console/events/{event_id}"),
    _route("POST", "/console/events/{event_id}/redrive"),
    _route("POST", "/console/events/{event_id}/release"),
    _route("POST", "/console/events/{event_id}/expire"),
    _route("POST", "/console/events/{event_id}/run-again"),
    _route("GET", "/console/events/{event_id}/values/{name}"),
    _route("GET", "/console/calls/{call_id}/values/{name}"),
    _route("GET", "/console/calls"),
    _route("GET", "/console/calls/{call_id}"),
    _route("POST", "/console/calls/{call_id}/cancel"),
    _route("POST", "/console/calls/{call_id}/run-again"),
    _route("POST", "/console/calls/{call_id}/approve"),
    _route("POST", "/console/calls/{call_id}/refuse"),
    _route("GET", "/console/approvals"),
    _route("POST", "/console/pauses"),
    _route("GET", "/console/servers"),
    _route("GET", "/console/servers/{server}/hooks/{hook}"),
    _route("POST", "/console/servers/{server}/hooks/{hook}"),
    _route("GET", "/console/servers/{server}/workflows/{workflow}"),
    _route("POST", "/console/servers/{server}/workflows/{workflow}"),
    _route("GET", "/console/find"),
    _route("GET", "/console/processes"),
    _route("GET", "/console/bulk"),
    _route("POST", "/console/bulk"),
    _route("GET", "/console/bulk/{bulk_id}"),
    _route("POST", "/console/bulk/{bulk_id}/confirm"),
    _route("POST", "/console/bulk/{bulk_id}/stop"),
    _route("GET", "/console/tokens"),
    _route("POST", "/console/tokens"),
    _route("POST", "/console/tokens/{token_id}/revoke"),
    _route("GET", "/console/subscriptions"),
    _route("GET", "/console/replies"),
    _route("GET", "/console/replies/{event_id}"),
    _route("POST", "/console/replies/{event_id}/redrive"),
)
