"""What every request passes, and what it finds: known hosts, a ready process, its route.

A web page may send what is named here, and read that of the answers (CORS). The bridge knows no
cookies here: a client brings a token, so no credentials are allowed.

Source: the Fetch standard, 3.2, "HTTP CORS protocol"; MCP 2025-11-25, "Streamable HTTP".
"""

import asyncio
import contextlib
import functools
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route, Router
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send
from typing_extensions import override

from bridge.auth.throttle import GuessThrottle
from bridge.configuration.current import CurrentAlerts
from bridge.configuration.settings import Settings
from bridge.net.client_address import Clients
from bridge.net.connection import is_proxied
from bridge.net.draining import OpenStreams
from bridge.net.problem import count_refusal, problem
from bridge.net.request_body import BodyBudget
from bridge.runtime import WebRuntime

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
HOW_TO_LET_A_HOST_IN = "name it in BRIDGE_ALLOWED_HOSTS, or set BRIDGE_PUBLIC_URL"
HOW_TO_LET_AN_ORIGIN_IN = "name it in BRIDGE_ALLOWED_ORIGINS"
SHOWN_CHARS = 100
HOSTS_KEPT = 256
"""Verdicts on Host headers that are remembered: senders use few, strangers any number."""


def public_path(path: str) -> re.Pattern[str]:
    """Match the addresses that begin with a path, or have it behind a well-known name.

    Source: RFC 8414, 3.1; RFC 9728, 3.1.
    """
    return re.compile(rf"(?P<before>(?:/\.well-known/[^/]+)?){re.escape(path)}(?P<rest>(?:/.*)?)")


def is_routed(scope: Scope, path: str) -> bool:
    """Report whether an address is one of ours as it stands: a public path may be `/mcp`."""
    at_path = {**scope, "path": path}
    return any(route.matches(at_path)[0] != Match.NONE for route in scope["app"].routes)


@dataclass
class WebState:
    """What the routes for n8n and operators find in their process.

    `runtime` is there from the moment on that the process is ready.
    """

    clients: Clients
    body_budget: BodyBudget
    streams: OpenStreams
    alerts: CurrentAlerts = field(default_factory=CurrentAlerts)
    guesses: GuessThrottle = field(default_factory=GuessThrottle)
    runtime: WebRuntime = field(init=False)


def state_of(request: Request) -> WebState:
    """Return what a request finds in its process."""
    state: WebState = request.app.web
    return state


def is_near(request: Request) -> bool:
    """Report whether a request comes from this machine, for it, and by no proxy that says so."""
    ends = {request.client.host if request.client else "localhost", request.url.hostname}
    return not is_proxied(request.headers) and ends <= LOOPBACK


class HostGuard:
    """Refuses a foreign Host (421) and a foreign Origin (403), against DNS rebinding.

    So does it a request that has not just one Host (400). Web pages of known origins may read the
    answers.

    Known are the loopback names, the host of BRIDGE_PUBLIC_URL, BRIDGE_ALLOWED_HOSTS and
    BRIDGE_ALLOWED_ORIGINS. Header values pass without the whitespace around them, which httptools
    leaves at their end, and paths without a slash at their end: the framework would redirect, to an
    address of plain http behind a proxy that ends TLS. The path of BRIDGE_PUBLIC_URL is taken off,
    for proxies that leave it on.

    Source: MCP 2025-11-25, "Streamable HTTP", security warning; RFC 9110, 5.5 and 15.5.20; RFC
    9112, 3.2, on requests with more than one Host.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        public_url = urlsplit(settings.public_url or "")
        public = public_url.hostname
        self._prefixed = public_path(public_url.path) if public_url.path else None
        named = {*settings.allowed_hosts, *([public] if public else ())}
        self._hosts = frozenset(host.lower() for host in named)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in settings.allowed_origins)
        self._is_known_host = functools.lru_cache(HOSTS_KEPT)(self._is_known)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer in place of the endpoint."""
        if scope["type"] == "http":
            scope["path"] = self._own_path(scope)
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            given = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            scope["headers"] = given
            first = dict(reversed(given))
            if [name for name, _ in given].count(b"host") != 1:
                await _refuse(400, "the request must have one Host")(scope, receive, send)
                return
            host = first[b"host"].decode("latin-1")
            origin = first[b"origin"].decode("latin-1") if b"origin" in first else None
            if not self._is_known_host(host):
                detail = f"the Host {host[:SHOWN_CHARS]} is not known here: {HOW_TO_LET_A_HOST_IN}"
                await _refuse(421, detail)(scope, receive, send)
                return
            if origin is not None and not self._is_known_origin(origin):
                shown = origin[:SHOWN_CHARS]
                detail = f"the Origin {shown} is not known here: {HOW_TO_LET_AN_ORIGIN_IN}"
                await _refuse(403, detail)(scope, receive, send)
                return
            if origin is not None:
                send = readable_by(origin, send)
                if is_preflight(scope["method"], Headers(scope=scope)):
                    await preflight(Headers(scope=scope))(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _own_path(self, scope: Scope) -> str:
        path: str = scope["path"].rstrip("/")
        found = self._prefixed.fullmatch(path) if self._prefixed else None
        if found is None or is_routed(scope, path):
            return path
        return found["before"] + found["rest"]

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in LOOPBACK or name in self._hosts or host.lower() in self._hosts

    def _is_known_origin(self, origin: str) -> bool:
        if origin.lower() in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in {"http", "https"} and self._is_known_host(parts.netloc)


def _refuse(status: int, detail: str) -> Response:
    """Return a refusal that no layer below sees."""
    count_refusal(status)
    return problem(status, detail)


AGAIN_S = 1


class Readiness:
    """Whether this process takes requests: not yet, now, or for the last time."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self.is_draining = False
        self.waits_for = ""
        """Why the process is not open yet, where that is not its own doing."""

    def open(self) -> None:
        """Take requests from now on."""
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """Whether requests are taken."""
        return self._opened.is_set()

    def wait_for(self, why: str) -> None:
        """Record what keeps the process from opening."""
        self.waits_for = why

    def drain(self) -> None:
        """Let each request that still comes be the last of its connection."""
        self.is_draining = True

    async def has_opened(self, within_s: float) -> bool:
        """Wait for the process to open; False when it has not in time."""
        if not self._opened.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._opened.wait(), within_s)
        return self._opened.is_set()


class ReadinessMiddleware:
    """Lets requests wait `patience_s` for a process that starts, and answers 503 otherwise.

    Those that ask whether the process is ready wait for nothing, and whether it is alive is
    answered at any time. One that drains says that it is not ready, answers what still comes, and
    has the client open its next connection elsewhere.

    Every answer passes here, so refusals are counted here; probes are none.
    """

    def __init__(self, app: ASGIApp, opening: Readiness, patience_s: float) -> None:
        self._app = app
        self._opening = opening
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer in place of the endpoint."""
        answer = self._app
        is_plain = self._opening.is_open and scope["path"] != "/readyz"
        if not is_plain and scope["type"] == "http" and scope["path"] != "/healthz":
            answer = await self._refusal(scope["path"]) or self._app
        try:
            await answer(scope, receive, self._watched(scope, send))
        except Exception:
            if scope["type"] == "http":
                count_refusal(HTTPStatus.INTERNAL_SERVER_ERROR)
            raise

    async def _refusal(self, path: str) -> Response | None:
        again = {"Retry-After": str(AGAIN_S)}
        patience_s = 0 if path == "/readyz" else self._patience_s
        if not await self._opening.has_opened(patience_s):
            why = self._opening.waits_for
            detail = "this process is starting" + (f": {why}" if why else "")
            return problem(503, detail, again)
        if self._opening.is_draining and path == "/readyz":
            return problem(503, "this process is ending; another one answers", again)
        return None

    def _watched(self, scope: Scope, send: Send) -> Send:
        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] >= 400 and scope["path"] not in OPEN_PATHS:
                    count_refusal(message["status"])
                if self._opening.is_draining:
                    headers = [*message.get("headers", ()), (b"connection", b"close")]
                    message = {**message, "headers": headers}
            await send(message)

        return send_on


METHODS = "GET, POST, DELETE"
EXPOSED = "Mcp-Session-Id, Retry-After, WWW-Authenticate, Preference-Applied, Location"
"""The headers of answers that pages may read beyond the plain ones."""
MAX_AGE_S = 600

_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]*")


def is_preflight(method: str, headers: Headers) -> bool:
    """Report whether a browser asks what a page may send, before it sends it."""
    return method == "OPTIONS" and "access-control-request-method" in headers


def preflight(headers: Headers) -> Response:
    """Allow any header that is asked for: the 2026 wire has one for each argument."""
    asked = headers.get("access-control-request-headers", "")
    allowed = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Max-Age": str(MAX_AGE_S),
    }
    if asked and _NAMES.fullmatch(asked):
        allowed["Access-Control-Allow-Headers"] = asked
    if "access-control-request-private-network" in headers:
        allowed["Access-Control-Allow-Private-Network"] = "true"
    return Response(status_code=204, headers=allowed)


def readable_by(origin: str, send: Send) -> Send:
    """Return a `send` whose answers pages of an origin may read."""
    added = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED.encode()),
        (b"vary", b"Origin"),
    ]

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return send_on


ErrorAnswer = Callable[[Request, Exception], Response]


class ErrorAnswers:
    """Answers errors of some classes, each by the most specific one.

    The framework looks for them in three layers, each of which passes on all that is sent.

    Any other is left to the server, which logs it and answers 500 or, where an answer is on its way
    already, closes the connection. So it does where one of these comes so late.
    """

    def __init__(self, app: ASGIApp, answers: Mapping[type[Exception], ErrorAnswer]) -> None:
        self._app = app
        self._answers = answers
        self._kinds = tuple(answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, and answer what it raises."""
        try:
            await self._app(scope, receive, send)
        except self._kinds as error:
            kind = next(kind for kind in type(error).__mro__ if kind in self._answers)
            answer = self._answers[kind](Request(scope, receive), error)
            await answer(scope, receive, send)


class SegmentRouter(Router):
    """Asks only those routes that have the first segment of a path, in their order.

    The framework asks one by one all that there are. Each endpoint returns what is to be sent.
    """

    def __init__(self, routes: Sequence[Route], lifespan: Lifespan[ASGIApp] | None = None) -> None:
        super().__init__(routes, redirect_slashes=False, lifespan=lifespan)
        self._beginning: defaultdict[str, list[Route]] = defaultdict(list)
        for route in routes:
            self._beginning[_first_segment(route.path)].append(route)

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the first route answer that takes path and method.

        Raises:
            HTTPException: none does, 405 where one takes the path.
        """
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        status = HTTPStatus.NOT_FOUND
        for route in self._beginning.get(_first_segment(scope["path"]), ()):
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                answer: ASGIApp = await route.endpoint(Request(scope, receive, send))
                await answer(scope, receive, send)
                return
            if match is Match.PARTIAL:
                status = HTTPStatus.METHOD_NOT_ALLOWED
        raise HTTPException(status)


def _first_segment(path: str) -> str:
    return path[1:].partition("/")[0]
