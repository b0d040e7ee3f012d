"""A web site on loopback that says what a test lets it say, and a context that keeps progress."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import override

from bridge.handlers import Context
from public_web.fetching import PRIVATE_HOSTS, PublicWeb
from tests.serving import serving_any

HTML = {"content-type": "text/html; charset=utf-8"}


@dataclass
class Site:
    """Pages by their paths: status, headers, body. `asked` are the requests that came."""

    url: str = ""
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, body: str | bytes = b"", status: int = 200, **headers: str) -> str:
        """Have a page answered at a path; return its address."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        text = body.encode() if isinstance(body, str) else body
        self.pages[path] = (status, HTML | given, text)
        return self.url + path

    def redirect(self, path: str, location: str) -> str:
        """Have a path lead elsewhere; return its address."""
        return self.put(path, status=302, location=location)

    @property
    def host(self) -> str:
        """Return its host and port."""
        return urlsplit(self.url).netloc

    @property
    def web(self) -> PublicWeb:
        """Return a web that this site is let in."""
        return PublicWeb(frozenset({self.host}))

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        self.asked.append(f"{request.method} {request.url.path}")
        status, headers, body = self.pages.get(request.url.path, (404, HTML, b"<p>gone"))
        return Response(body, status, headers)


class KeptContext(Context):
    """The context of a call, which keeps what was reported."""

    def __init__(self) -> None:
        self.reported: list[tuple[float, str]] = []

    @override
    async def progress(self, share: float, message: str = "") -> None:
        self.reported.append((share, message))


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    served = Site()
    app = Starlette(routes=[Route("/{path:path}", served.answer, methods=["GET", "HEAD"])])
    async with serving_any(app) as served.url:
        monkeypatch.setenv(PRIVATE_HOSTS, served.host)
        yield served


@pytest.fixture
def ctx() -> KeptContext:
    return KeptContext()
