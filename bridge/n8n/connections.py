"""Connections to n8n for one request each: none has carried another before."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Self

import httpcore2
import httpx2
from typing_extensions import override

FRESH_S = 2.0
"""For how long a connection counts as one that n8n has not closed, though nothing was sent on it.

Node, and what may stand before it, wait at least 5 s for a first request.
"""
PORTS = {"http": 80, "https": 443}


class FreshConnection(httpx2.AsyncBaseTransport):
    """A connection that nothing was sent on yet; it is closed when its one request is over."""

    def __init__(self, url: httpx2.URL, stream: httpcore2.AsyncNetworkStream) -> None:
        origin = httpcore2.Origin(url.raw_scheme, url.raw_host, url.port or PORTS[url.scheme])
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
        """Whether n8n may have closed it by now."""
        return asyncio.get_running_loop().time() - self._opened_at > FRESH_S

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
