"""The gate before every door: known hosts and origins only."""

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.settings import Settings
from bridge.web.cors import is_preflight, preflight, readable_by
from bridge.web.problems import problem

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
HOW_TO_LET_A_HOST_IN = "name it in BRIDGE_ALLOWED_HOSTS, or set BRIDGE_PUBLIC_URL"
HOW_TO_LET_AN_ORIGIN_IN = "name it in BRIDGE_ALLOWED_ORIGINS"
SHOWN_CHARS = 100


def public_path(path: str) -> re.Pattern[str]:
    """Match the addresses that begin with a path, or have it behind a well-known name.

    Source: RFC 8414, 3.1; RFC 9728, 3.1.
    """
    return re.compile(rf"(?P<before>(?:/\.well-known/[^/]+)?){re.escape(path)}(?P<rest>(?:/.*)?)")


def is_routed(scope: Scope, path: str) -> bool:
    """Report whether an address is one of ours as it stands: a public path may be `/mcp`."""
    at_path = {**scope, "path": path}
    return any(route.matches(at_path)[0] != Match.NONE for route in scope["app"].routes)


class Guard:
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer in place of the door."""
        if scope["type"] == "http":
            scope["path"] = self._own_path(scope)
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            if len(headers.getlist("host")) != 1:
                await problem(400, "the request must have one Host")(scope, receive, send)
                return
            if not self._is_known_host(host):
                detail = f"the Host {host[:SHOWN_CHARS]} is not known here: {HOW_TO_LET_A_HOST_IN}"
                await problem(421, detail)(scope, receive, send)
                return
            if origin is not None and not self._is_known_origin(origin):
                shown = origin[:SHOWN_CHARS]
                detail = f"the Origin {shown} is not known here: {HOW_TO_LET_AN_ORIGIN_IN}"
                await problem(403, detail)(scope, receive, send)
                return
            if origin is not None:
                send = readable_by(origin, send)
                if is_preflight(scope["method"], headers):
                    await preflight(headers)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _own_path(self, scope: Scope) -> str:
        path: str = scope["path"].rstrip("/")
        found = self._prefixed.fullmatch(path) if self._prefixed else None
        if found is None or is_routed(scope, path):
            return path
        return found["before"] + found["rest"]

    def _is_known_host(self, host: str) -> bool:
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
