"""Connections to n8n for one request each, some made ahead: none has carried another before."""

import asyncio
import contextlib
import itertools
import select
import socket
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Self, cast

import h11
import httpx2
from aiohappyeyeballs import start_connection
from typing_extensions import override

from bridge.ending import BackgroundTasks
from bridge.formats.addresses import DEFAULT_PORTS
from bridge.net.vanishing import WATCHED

FRESH_S = 2.0
"""For how long a connection counts as one that n8n has not closed, though nothing was sent on it.

Node, and what may stand before it, wait at least 5 s for a first request.
"""
NEXT_ADDRESS_S = 0.25
"""For how long one address of a name is tried alone (RFC 8305, section 5)."""
HEAD_MAX_BYTES = 100 * 1024
"""How long the status line and headers of an answer may be together."""
SPARES_MAX = 16
"""How many connections are made ahead at most for one origin."""

Origin = tuple[str, bytes, int]
"""Scheme, host and port."""


class TlsOrigin(ssl.SSLContext):
    """The TLS of connections to one origin, which resumes the last session with it.

    asyncio takes a context, but no session. So this context has no settings of its own: it makes
    connections by the one that says whom to trust, and adds the session. Python refuses a session
    that another context made, and sends no early data (RFC 8446, section 2.3).
    """

    trust: ssl.SSLContext
    session: ssl.SSLSession | None

    @classmethod
    def of(cls, trust: ssl.SSLContext) -> Self:
        """Return one without a session yet."""
        made = cls(ssl.PROTOCOL_TLS_CLIENT)
        made.trust, made.session = trust, None
        return made

    @override
    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return the TLS of a connection, which resumes the last session if n8n agrees."""
        resumed = session or self.session
        return self.trust.wrap_bio(incoming, outgoing, server_side, server_hostname, resumed)

    def keep(self, used: ssl.SSLObject) -> None:
        """Keep the session of a connection that is over, if it can be resumed.

        With TLS 1.3 its ticket comes behind the handshake (RFC 8446, section 4.6.1), so it is there
        once an answer was read.
        """
        session = used.session
        if session is not None and (session.has_ticket or used.version() != "TLSv1.3"):
            self.session = session


class _Exchange(asyncio.Protocol):
    """HTTP/1.1 over a connection: a request goes out in one write, an answer is read by event."""

    __slots__ = ("_arrival", "_failure", "_http", "has_heard", "is_over", "transport")

    def __init__(self) -> None:
        self.is_over = self.has_heard = False
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX_BYTES)
        self._failure: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are transports by what they can do, and not by their class.
        self.transport = cast(asyncio.WriteTransport, transport)

    @override
    def data_received(self, data: bytes) -> None:
        self.has_heard = True
        self._http.receive_data(data)
        self._wake()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over, self._failure = True, exc
        if exc is None:
            self._http.receive_data(b"")
        self._wake()

    def _wake(self) -> None:
        if self._arrival and not self._arrival.done():
            self._arrival.set_result(None)

    def ask(self, request: httpx2.Request) -> None:
        """Send a request.

        Raises:
            h11.LocalProtocolError: HTTP has no such header, method or target.
        """
        head = h11.Request(
            method=request.method, target=request.url.raw_path, headers=request.headers.raw
        )
        events = (head, h11.Data(data=request.content), h11.EndOfMessage())
        self.transport.writelines([self._http.send(event) or b"" for event in events])

    async def event(self) -> object:
        """Return what the answer goes on with, an event of h11's, once it is there.

        Raises:
            httpx2.ReadError: the connection broke.
            h11.RemoteProtocolError: it ended too early, or brought what is no HTTP.
        """
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self.is_over:
                raise httpx2.ReadError("the connection broke") from self._failure
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return event


class FreshConnection(httpx2.AsyncBaseTransport):
    """A connection that nothing was sent on yet; it is closed when its one request is over."""

    def __init__(self, exchange: _Exchange, socket_: socket.socket, tls: TlsOrigin | None) -> None:
        self._exchange = exchange
        self._fileno = socket_.fileno()
        self._tls = tls
        self._opened_at = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, url: httpx2.URL, tls: TlsOrigin | None, within_s: float) -> Self:
        """Connect to where an address leads, over TLS if it says so.

        Raises:
            httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol: it cannot be.
        """
        if url.scheme not in DEFAULT_PORTS:
            raise httpx2.UnsupportedProtocol(f"no connection is made by {url.scheme!r}")
        loop = asyncio.get_running_loop()
        _, raw_host, port = _origin(url)
        host = raw_host.decode("ascii")
        name = host if tls else None
        try:
            async with asyncio.timeout(within_s):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                opened = await start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS_S)
                for option in WATCHED:
                    opened.setsockopt(*option)
                _, exchange = await loop.create_connection(
                    _Exchange, sock=opened, ssl=tls, server_hostname=name
                )
        except TimeoutError as late:
            raise httpx2.ConnectTimeout(str(late)) from late
        except (OSError, UnicodeError) as fault:
            if tls:
                tls.session = None
            raise httpx2.ConnectError(str(fault)) from fault
        return cls(exchange, opened, tls)

    @property
    def is_stale(self) -> bool:
        """Whether n8n may have closed it by now, or surely has."""
        exchange = self._exchange
        age_s = asyncio.get_running_loop().time() - self._opened_at
        return (
            age_s > FRESH_S
            or exchange.is_over
            or exchange.has_heard
            or exchange.transport.is_closing()
            or _is_readable(self._fileno)
        )

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request, and read its answer up to the body.

        Raises:
            httpx2.TransportError: the connection broke, or what it brought is no HTTP.
        """
        with _faults_of_httpx():
            self._exchange.ask(request)
            del request
            while isinstance(head := await self._exchange.event(), h11.InformationalResponse):
                pass
        assert isinstance(head, h11.Response)
        headers = head.headers.raw_items()
        return httpx2.Response(head.status_code, headers=headers, stream=_Body(self._exchange))

    @override
    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Close it at once, and keep its TLS session for the next."""
        transport = self._exchange.transport
        if self._tls and (used := transport.get_extra_info("ssl_object")):
            self._tls.keep(used)
        transport.abort()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _faults_of_httpx():
            while isinstance(event := await self._exchange.event(), h11.Data):
                yield bytes(event.data)


@contextlib.contextmanager
def _faults_of_httpx() -> Iterator[None]:
    """Raise what is no HTTP by httpx2's name for it."""
    try:
        yield
    except h11.LocalProtocolError as fault:
        raise httpx2.LocalProtocolError(str(fault)) from fault
    except h11.RemoteProtocolError as fault:
        raise httpx2.RemoteProtocolError(str(fault)) from fault


def _is_readable(fileno: int) -> bool:
    """Whether a connection has brought what the loop has not heard yet: an end, if anything."""
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))


class Connections:
    """Makes connections to n8n, for many calls ahead of those that come next.

    One is made ahead each time that one is used, while they are used in quick succession; none is
    kept for longer than it is fresh. With TLS each resumes the last session with its origin.
    """

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust
        self._tls: dict[Origin, TlsOrigin] = {}
        self._used_at: dict[Origin, float] = {}
        self._spares: defaultdict[Origin, list[FreshConnection]] = defaultdict(list)
        self._opening: defaultdict[Origin, int] = defaultdict(int)
        self._tasks = BackgroundTasks()

    async def open(self, url: httpx2.URL, within_s: float) -> FreshConnection:
        """Connect to where an address leads.

        Raises:
            httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol: it cannot be.
        """
        return await FreshConnection.open(url, self._tls_to(url), within_s)

    def _tls_to(self, url: httpx2.URL) -> TlsOrigin | None:
        if url.scheme != "https":
            return None
        origin = _origin(url)
        if origin not in self._tls:
            self._tls[origin] = TlsOrigin.of(self._trust)
        return self._tls[origin]

    def take(self, url: httpx2.URL) -> FreshConnection | None:
        """Take one that leads to the origin of this address, if there is any."""
        spares = self._spares[_origin(url)]
        while spares:
            spare = spares.pop()
            if not spare.is_stale:
                return spare
            spare.close()
        return None

    def make_one_for_next(self, url: httpx2.URL) -> None:
        """Record that a connection is used; if another was a moment ago, make one ahead."""
        origin, now = _origin(url), asyncio.get_running_loop().time()
        is_busy = now - self._used_at.get(origin, -FRESH_S) < FRESH_S
        self._used_at[origin] = now
        if is_busy and len(self._spares[origin]) + self._opening[origin] < SPARES_MAX:
            self._opening[origin] += 1
            self._tasks.start(self._open(url, origin))

    async def _open(self, url: httpx2.URL, origin: Origin) -> None:
        try:
            spare = await self.open(url, FRESH_S)
        except httpx2.RequestError:
            return  # whoever needs one finds out why
        finally:
            self._opening[origin] -= 1
        self._spares[origin].append(spare)
        await asyncio.sleep(FRESH_S)
        if spare in self._spares[origin]:
            self._spares[origin].remove(spare)
            spare.close()

    async def aclose(self) -> None:
        """Close all that were not taken."""
        await self._tasks.end()
        for spare in itertools.chain.from_iterable(self._spares.values()):
            spare.close()


def _origin(url: httpx2.URL) -> Origin:
    return url.scheme, url.raw_host, url.port or DEFAULT_PORTS.get(url.scheme, 0)
