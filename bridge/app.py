"""The web app: every route, and what every request passes on its way."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Scope
from typing_extensions import override

from bridge.alerting import watch_alerts
from bridge.configuration.current import CurrentAlerts
from bridge.configuration.operators_server import operators_server
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.console.routes import ROUTES as CONSOLE
from bridge.console.routes import load_pages
from bridge.errors import BridgeError
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.http_acks import HttpAcks
from bridge.mcp.requests import McpState
from bridge.mcp.wires import sse, streamable, watch
from bridge.net.client_address import Clients, TrustedProxies
from bridge.net.draining import OpenStreams
from bridge.net.request_body import BodyBudget
from bridge.reload import Reloader, Step
from bridge.runtime import Runtime, open_runtime
from bridge.verbs.logins import Logins
from bridge.verbs.operators import warn_of_stranded
from bridge.web import (
    approvals,
    bulks,
    callbacks,
    caller_keys,
    events,
    health,
    hooks,
    openapi,
    operators,
    pauses,
)
from bridge.web.middleware import (
    ErrorAnswers,
    HostGuard,
    Readiness,
    ReadinessMiddleware,
    SegmentRouter,
    WebState,
)
from bridge.web.oauth import consent, endpoints, metadata
from bridge.web.oauth.documents import ClientDocuments
from bridge.web.problems import answer_error, answer_http_error

PATIENCE_S = 5.0
"""How long a request waits for a Redis that is away, or a process that starts, before its 503."""


def _get(path: str, endpoint: Callable[[Request], Awaitable[ASGIApp]]) -> Route:
    """Route GET alone: by the HEAD that the framework adds, a stream would open and stay."""
    route = Route(path, endpoint, methods=["GET"])
    route.methods = {"GET"}
    return route


class ConfirmRoute(Route):
    """Routes GET to the hooks whose provider asks by it; any other hook takes POST alone."""

    @override
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        if match is not Match.NONE:
            app: BridgeApp = scope["app"]
            if not hooks.is_confirmed_by_get(app.web.runtime.servers, found["path_params"]):
                return Match.NONE, {}
        return match, found


def _confirm(path: str) -> Route:
    route = ConfirmRoute(path, hooks.confirm, methods=["GET"])
    route.methods = {"GET"}
    return route


ROUTES = (
    Route("/hooks/{server}/{hook}", hooks.receive_event, methods=["POST"]),
    Route("/healthz", health.show_alive),
    Route("/readyz", health.show_ready),
    Route("/metrics", health.show_metrics),
    Route("/callbacks/{call_id}", callbacks.receive_callback, methods=["POST"]),
    Route("/events/{event_id}", events.show_event, name="show_event"),
    Route("/events/{event_id}/redrive", events.redrive_event, methods=["POST"]),
    Route("/events/{event_id}/release", operators.release_event, methods=["POST"]),
    Route("/events/{event_id}/expire", operators.expire_event, methods=["POST"]),
    Route("/events/{event_id}/run-again", operators.run_event_again, methods=["POST"]),
    Route("/calls/{call_id}/cancel", operators.cancel_call, methods=["POST"]),
    Route("/calls/{call_id}/run-again", operators.run_call_again, methods=["POST"]),
    Route("/calls/{call_id}/approve", approvals.approve_call, methods=["POST"]),
    Route("/calls/{call_id}/refuse", approvals.refuse_call, methods=["POST"]),
    Route("/approvals", approvals.list_approvals, methods=["GET"]),
    Route("/pauses", pauses.list_pauses, methods=["GET"]),
    Route("/pauses/{server}", pauses.pause, methods=["POST"]),
    Route("/pauses/{server}", pauses.resume, methods=["DELETE"]),
    Route("/pauses/{server}/{part}", pauses.pause, methods=["POST"]),
    Route("/pauses/{server}/{part}", pauses.resume, methods=["DELETE"]),
    Route("/bulk", bulks.list_bulks, methods=["GET"]),
    Route("/bulk", bulks.count_bulk, methods=["POST"]),
    Route("/bulk/{bulk_id}", bulks.show_bulk, methods=["GET"]),
    Route("/bulk/{bulk_id}/confirm", bulks.confirm_bulk, methods=["POST"]),
    Route("/bulk/{bulk_id}/stop", bulks.stop_bulk, methods=["POST"]),
    Route("/openapi.json", openapi.show_openapi),
    Route("/.well-known/jwks.json", caller_keys.show_keys),
    Route("/.well-known/oauth-protected-resource/{wire}/{server}", metadata.show_resource),
    Route("/.well-known/oauth-authorization-server", metadata.show_authorization_server),
    # Where clients look for an issuer with a path, of all that they try behind that path.
    Route("/.well-known/openid-configuration", metadata.show_authorization_server),
    Route("/authorize", endpoints.AUTHORIZE, methods=["GET", "POST"]),
    Route("/consent", consent.show_consent, methods=["GET"]),
    Route("/consent", endpoints.CONSENT, methods=["POST"]),
    Route("/token", endpoints.TOKEN, methods=["POST"]),
    Route("/register", endpoints.REGISTER, methods=["POST"]),
    Route("/revoke", endpoints.REVOKE, methods=["POST"]),
    Route("/mcp/{server}", streamable.post, methods=["POST"]),
    _get("/mcp/{server}", streamable.get),
    Route("/mcp/{server}", streamable.delete, methods=["DELETE"]),
    Route("/mcp-2025/{server}", streamable.post_2025, methods=["POST"]),
    _get("/mcp-2025/{server}", streamable.get),
    Route("/mcp-2025/{server}", streamable.delete, methods=["DELETE"]),
    _get("/sse/{server}", sse.get),
    _get("/sse/{server}/clients/{client}", sse.get),
    Route("/sse/{server}/messages", sse.post, methods=["POST"]),
    _get("/watch/{server}", watch.get),
    *CONSOLE,
    # It looks its server up, so it is asked last.
    _confirm("/hooks/{server}/{hook}"),
)


class BridgeApp(Starlette):
    """The web app of one process, with what its routes find there.

    `runtime`, `documents` and `logins` are there from the moment on that the process is ready.
    `reloader` has the servers replaced while it runs. With `opens_console` who works on this
    machine needs no login there, unless more than this machine can reach the bridge.
    """

    def __init__(
        self,
        settings: Settings,
        servers: Mapping[str, Server],
        reloader: Reloader | None = None,
        *,
        opens_console: bool = False,
    ) -> None:
        self._opens_console = opens_console
        self.readiness = Readiness()
        self._own = operators_server(settings)
        streams = OpenStreams(settings.streams_max)
        self.web = WebState(
            Clients(TrustedProxies(settings.trusted_proxies)),
            BodyBudget(settings.max_body_bytes),
            streams,
            reloader.alerts if reloader else CurrentAlerts(),
        )
        self.mcp = McpState(
            {name: McpEndpoint(server) for name, server in {**servers, **self._own}.items()},
            streams,
            HttpAcks(tells=settings.proxy_tells_of_leaving),
        )
        self.runtime: Runtime
        self.documents: ClientDocuments
        self.logins: Logins
        super().__init__(
            middleware=[
                Middleware(HostGuard, settings=settings),
                Middleware(ReadinessMiddleware, opening=self.readiness, patience_s=PATIENCE_S),
            ],
        )
        self.router = SegmentRouter(ROUTES, lambda _: self._living(settings, servers, reloader))

    @override
    def build_middleware_stack(self) -> ASGIApp:
        """Put together what each request passes, without the framework's own search for errors."""
        answers = {BridgeError: answer_error, HTTPException: answer_http_error}
        app: ASGIApp = ErrorAnswers(self.router, answers)
        for layer, arguments, options in reversed(self.user_middleware):
            app = layer(app, *arguments, **options)
        return app

    @contextlib.asynccontextmanager
    async def _living(
        self, settings: Settings, servers: Mapping[str, Server], reloader: Reloader | None
    ) -> AsyncIterator[None]:
        opening = open_runtime(settings, servers, "web", PATIENCE_S, self.readiness.wait_for)
        async with opening as runtime:
            self.runtime, self.web.runtime, self.mcp.runtime = runtime, runtime.web, runtime.mcp
            self.documents = ClientDocuments(runtime.web.receivers.http, settings.oauth_app_schemes)
            runtime.load.streams = self.mcp.streams.__len__
            runtime.load.is_draining = self.mcp.streams.draining.is_set
            grants = runtime.web.authenticator.grants
            self.logins = Logins(grants, settings, is_open=self._opens_console)
            if self.logins.are_offered or self.logins.is_open:
                await load_pages()
            self.mcp.tasks.start(self.mcp.end_revoked())
            self.mcp.tasks.start(runtime.mcp.keepalives.run())
            self.mcp.tasks.start(watch_alerts(runtime, self.web.alerts))
            self._warn_of_stranded()
            self.readiness.open()
            reloading = reloader.running(runtime, self.prepare) if reloader else None
            try:
                async with reloading or contextlib.nullcontext():
                    yield
            finally:
                self.drain()
                await self.mcp.tasks.end()
                await self.mcp.http_acks.end()

    def prepare(self, servers: Mapping[str, Server]) -> Step:
        """Make what is served of servers; return the step from which on it is."""
        endpoints = self.mcp.prepare({**servers, **self._own})

        def take_step() -> None:
            self.mcp.replace(endpoints)
            self._warn_of_stranded()

        return take_step

    def _warn_of_stranded(self) -> None:
        stores, servers = self.runtime.stores, self.runtime.web.servers
        self.mcp.tasks.start(warn_of_stranded(stores.operators, stores.counters, servers))

    def drain(self) -> None:
        """Send clients elsewhere, and end what never ends by itself: streams, subscriptions."""
        self.readiness.drain()
        for endpoint in self.mcp.endpoints.values():
            endpoint.listening.close()
        self.mcp.streams.close()
