"""The gate before every door: known hosts and origins only."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.settings import Settings
from bridge.web.problems import problem

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
HOW_TO_LET_A_HOST_IN = "name it in BRIDGE_ALLOWED_HOSTS, or set BRIDGE_PUBLIC_URL"
HOW_TO_LET_AN_ORIGIN_IN = "name it in BRIDGE_ALLOWED_ORIGINS"
SHOWN_CHARS = 100


class Guard:
    """Refuses a foreign Host (421) and a foreign Origin (403), against DNS rebinding.

    Known are the loopback names, the host of BRIDGE_PUBLIC_URL, BRIDGE_ALLOWED_HOSTS and
    BRIDGE_ALLOWED_ORIGINS. Header values pass without the whitespace around them, which httptools
    leaves at their end, and paths without a slash at their end: the framework would redirect, to an
    address of plain http behind a proxy that ends TLS.

    Source: MCP 2025-11-25, "Streamable HTTP", security warning; RFC 9110, 5.5 and 15.5.20.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        named = {*settings.allowed_hosts, *([public] if public else ())}
        self._hosts = frozenset(host.lower() for host in named)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in settings.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer in place of the door."""
        if scope["type"] == "http":
            scope["path"] = scope["path"].rstrip("/")
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            if not self._is_known_host(host):
                detail = f"the Host {host[:SHOWN_CHARS]} is not known here: {HOW_TO_LET_A_HOST_IN}"
                await problem(421, detail)(scope, receive, send)
                return
            if origin is not None and not self._is_known_origin(origin):
                shown = origin[:SHOWN_CHARS]
                detail = f"the Origin {shown} is not known here: {HOW_TO_LET_AN_ORIGIN_IN}"
                await problem(403, detail)(scope, receive, send)
                return
        await self._app(scope, receive, send)

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
