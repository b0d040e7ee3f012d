"""A little web server that tells who a client is, over TLS, at a name that tests alone resolve."""

import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from bridge.net.public_http import PublicHttp, is_public
from bridge.web.oauth.documents import BYTES_MAX, ClientDocuments
from tests.tls import HERE, serving_tls

NAME = "client.example"
CALLBACK = "https://claude.ai/api/mcp/auth_callback"

Tell = Callable[[str], Response | Awaitable[Response]]


@dataclass
class Teller:
    """What is served at `url`: a client's document there, and what else was asked for."""

    url: str
    trust: ssl.SSLContext
    asked: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)
    tell: Tell = field(default_factory=lambda: document)

    def documents(self, *addresses: str) -> ClientDocuments:
        """Return one that believes this server's certificate, and whose names lead to `addresses`.

        It lets in what the product lets in.
        """

        async def resolve(host: str, _port: int) -> list[str]:
            self.resolved.append(host)
            return list(addresses)

        return ClientDocuments(PublicHttp(is_public, self.trust, resolve))

    @property
    def here(self) -> ClientDocuments:
        """Return one that may ask here, besides, and nowhere else."""
        asking = self.documents(HERE).http
        return ClientDocuments(replace(asking, is_let=lambda host: host == HERE))


def document(url: str, status: int = 200, **changes: Any) -> Response:
    """Tell of a client as one should."""
    told = {"client_id": url, "redirect_uris": [CALLBACK], "client_name": "It"} | changes
    return JSONResponse({name: value for name, value in told.items() if value is not None}, status)


def _packed(url: str) -> Response:
    packed = gzip.compress(document(url).body)
    return Response(packed, 200, {"content-encoding": "gzip"}, "application/json")


BAD: dict[str, Tell] = {
    "another id": lambda url: document(url, client_id="https://evil.example/c"),
    "no id": lambda url: document(url, client_id=None),
    "no name": lambda url: document(url, client_name=None),
    "a secret": lambda url: document(url, client_secret="x"),
    "a key": lambda url: document(url, token_endpoint_auth_method="private_key_jwt"),
    "a bad redirect": lambda url: document(url, redirect_uris=["http://evil.example"]),
    "a script for a redirect": lambda url: document(url, redirect_uris=["javascript:alert(1)"]),
    "no redirect": lambda url: document(url, redirect_uris=[]),
    "redirects that are none": lambda url: document(url, redirect_uris="https://a.example"),
    "a redirection": lambda url: RedirectResponse(url + "x"),
    "a redirection for ever": lambda url: RedirectResponse(url, 301),
    "too much": lambda url: document(url, client_name="x" * BYTES_MAX),
    "too deep": lambda _: Response("[" * 8000 + "]" * 8000, media_type="application/json"),
    "packed": _packed,
    "another type": lambda url: Response(document(url).body, media_type="text/html"),
    "no type": lambda url: Response(document(url).body),
    "no JSON": lambda _: Response("<html>", media_type="application/json"),
    "no object": lambda _: JSONResponse([]),
    "not there": lambda url: document(url, 404),
    "created": lambda url: document(url, 201),
}


@asynccontextmanager
async def telling(folder: Path) -> AsyncIterator[Teller]:
    """Serve while the block lasts."""

    async def answer(request: Request) -> Response:
        teller.asked.append(request.url.path)
        told = teller.tell(str(request.url))
        return told if isinstance(told, Response) else await told

    app = Starlette(routes=[Route("/{path:path}", answer)])
    async with serving_tls(app, folder, NAME) as (port, trust):
        teller = Teller(f"https://{NAME}:{port}/c.json", trust)
        yield teller
