"""Connections to n8n for one request each, some made ahead: none has carried another before."""

import asyncio
import contextlib
import ssl
from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Self

import httpcore2
import httpx2
from typing_extensions import override

from bridge.ending import BackgroundTasks

FRESH_S = 2.0
"""For how long a connection counts as one that n8n has not closed, though nothing was sent on it.

Node, and what may stand before it, wait at least 5 s for a first request.
"""
PORTS = {"http": 80, "https": 443}
SPARES_MAX = 16
"""How many connections are made ahead at most for one origin."""


class FreshConnection(httpx2.AsyncBaseTransport):
    """A connection that nothing was sent on yet; it is closed when its one request is over."""

    def __init__(self, url: httpx2.URL, stream: httpcore2.AsyncNetworkStream) -> None:
        origin = httpcore2.Origin(url.raw_scheme, url.raw_host, url.port or PORTS[url.scheme])
        self._stream = stream
        self._connection = httpcore2.AsyncHTTP11Connection(origin, stream)
        self._opened_at = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, url: httpx2.URL, context: ssl.SSLContext, within_s: float) -> Self:
        """Connect to where an address leads.

        Raises:
            httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol: it cannot be.
        """
        if url.scheme not in PORTS:
            raise httpx2.UnsupportedProtocol(f"no connection is made by {url.scheme!r}")
        host, port = url.raw_host.decode("ascii"), url.port or PORTS[url.scheme]
        with _faults_of_httpx():
            stream = await httpcore2.AnyIOBackend().connect_tcp(host, port, within_s)
            if url.scheme == "https":
                stream = await stream.start_tls(context, host, within_s)
        return cls(url, stream)

    @property
    def is_stale(self) -> bool:
        """Whether n8n may have closed it by now, or surely has."""
        age_s = asyncio.get_running_loop().time() - self._opened_at
        return age_s > FRESH_S or bool(self._stream.get_extra_info("is_readable"))

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request, and read its answer up to the body.

        Raises:
            httpx2.TransportError: the connection broke, or what it brought is no HTTP.
        """
        url = request.url
        asked = httpcore2.Request(
            request.method,
            httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.content,
        )
        with _faults_of_httpx():
            answer = await self._connection.handle_async_request(asked)
        assert isinstance(answer.stream, AsyncIterable)
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    @override
    async def aclose(self) -> None:
        await self._connection.aclose()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _faults_of_httpx():
            async for chunk in self._chunks:
                yield chunk


@contextlib.contextmanager
def _faults_of_httpx() -> Iterator[None]:
    """Raise what is wrong with a connection by httpx2's name for it, which is the same."""
    try:
        yield
    except (
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.TimeoutException,
    ) as fault:
        raise getattr(httpx2, type(fault).__name__)(str(fault)) from fault


class SpareConnections:
    """Connections made ahead to where many calls go, for those that come next.

    One is made each time that one is used, while they are used in quick succession; none is kept
    for longer than it is fresh.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._used_at: dict[str, float] = {}
        self._spares: defaultdict[str, list[FreshConnection]] = defaultdict(list)
        self._opening: defaultdict[str, int] = defaultdict(int)
        self._tasks = BackgroundTasks()

    def take(self, url: httpx2.URL) -> FreshConnection | None:
        """Take one that leads to the origin of this address, if there is any."""
        spares = self._spares[_origin(url)]
        while spares:
            spare = spares.pop()
            if not spare.is_stale:
                return spare
            self._tasks.start(spare.aclose())
        return None

    def make_one_for_next(self, url: httpx2.URL) -> None:
        """Record that a connection is used; if another was a moment ago, make one ahead."""
        origin, now = _origin(url), asyncio.get_running_loop().time()
        is_busy = now - self._used_at.get(origin, -FRESH_S) < FRESH_S
        self._used_at[origin] = now
        if is_busy and len(self._spares[origin]) + self._opening[origin] < SPARES_MAX:
            self._opening[origin] += 1
            self._tasks.start(self._open(url, origin))

    async def _open(self, url: httpx2.URL, origin: str) -> None:
        try:
            spare = await FreshConnection.open(url, self._context, FRESH_S)
        except httpx2.RequestError:
            return  # whoever needs one finds out why
        finally:
            self._opening[origin] -= 1
        self._spares[origin].append(spare)
        await asyncio.sleep(FRESH_S)
        if spare in self._spares[origin]:
            self._spares[origin].remove(spare)
            await spare.aclose()

    async def aclose(self) -> None:
        """Close all that were not taken."""
        await self._tasks.end()
        for spare in [each for spares in self._spares.values() for each in spares]:
            await spare.aclose()


def _origin(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"
