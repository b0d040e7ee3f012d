"""Proof of receipt, by the connection that carried an answer.

An answer was received if the client's system acknowledged all of it and then the connection was
still open SURE_AFTER_S later, or carried another request (an HTTP/1.1 client sends its next one
only when it has read the answer to the one before), or was closed by the client in good order: a
client that closes with something unread resets (RFC 1122, 4.2.2.13). A reset, or a byte that was
not acknowledged, says that it was lost. A proxy opens and closes connections for itself, so behind
one nothing is proven, unless it is known to close them when its client leaves. What is not known to
be lost is in doubt.

Some proxies (HAProxy, Apache) tell of a client that has left only when they cannot write to it. The
first write after that is lost in silence: the client's system answers it with a reset, and the next
one fails. So both are made before such a client is handed anything.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.errors import TransientError
from bridge.net.connection import Connection, connection_of, is_proxied
from bridge.verbs.acks import NOTHING, AckState, is_of_attached, is_of_call
from bridge.verbs.takers import Presence

SURE_AFTER_S = 5.0
"""How long a reset may take to come.

Less is not enough, even where being in doubt is as good as proof: a relay that does not say it is
there may take an answer, keep it back for seconds and be reset then.
"""
POOLED_AFTER_S = 0.05
"""How soon a proxy may keep a connection for others and reset it when it likes, as HAProxy does."""
TAKEN_AGAIN_S = 0.5
"""How soon one looks again whether a slow client has taken an answer."""

Settle = Callable[[AckState], Awaitable[None]]
IsThere = Callable[[], Awaitable[bool]]
Comment = Callable[[], Awaitable[None]]


async def is_there(request: Request) -> bool:
    """Report whether the client has not left: its connection knows at once, ASGI a turn later."""
    connection = connection_of(request.scope)
    return connection.is_open() if connection else not await request.is_disconnected()


class AckConnection:
    """The connection that answers go out on, as far as it speaks for the client.

    `connection` is None where another server than ours serves; then nothing is ever known. What a
    proxy's connection says of its client is that it was there while an answer was written, and only
    if the proxy `tells` of clients that leave.
    """

    __slots__ = ("connection", "is_clients", "is_proxied")

    def __init__(self, connection: Connection | None, *, is_proxied: bool, tells: bool) -> None:
        self.connection = connection
        self.is_clients = not is_proxied or tells
        self.is_proxied = is_proxied

    def presence(self, is_there: IsThere, comment: Comment, changes: str = "") -> Presence:
        """Return how to find out whether a client that waits is there; `changes` wakes who asks."""
        return Presence(is_there if self.is_clients else Probe(is_there, comment), changes)

    def is_soon_enough(self, ack: str) -> bool:
        """Report whether to wait longer would prove nothing, or nothing that matters.

        Who was told that it joined a call has its due, and a lease is kept in doubt as with proof;
        only of a client's own connection a reset some seconds later says that it was lost.
        """
        is_of_lease = ack != NOTHING and not is_of_call(ack)
        return self.is_proxied and (is_of_attached(ack) or is_of_lease)

    def place(self) -> int | None:
        """Return where on it an answer ends that was just written; None if it went nowhere."""
        return self.connection.written_bytes() if self.connection else 0

    def fate_at_end(self, place: int | None, *, is_complete: bool = True) -> AckState:
        """Return what is known of an answer when its connection, or its stream, has ended.

        `is_complete` says that the response ends where the answer does: a proxy that closes before
        may do so because its client has left. After it, one that does not tell resets connections
        when it likes, as HAProxy does: that says nothing of an answer all of which was on its way.
        """
        connection = self.connection
        if place is None:
            return AckState.LOST
        if connection is None:
            return AckState.IN_DOUBT
        if connection.is_broken or not connection.has_taken(place):
            may_have_arrived = is_complete and not self.is_clients and connection.is_sent_whole
            return AckState.IN_DOUBT if may_have_arrived else AckState.LOST
        is_proven = self.is_clients and (is_complete or not self.is_proxied)
        return (
            AckState.RECEIVED if connection.is_closed_by_peer and is_proven else AckState.IN_DOUBT
        )

    def fate_while_open(self, place: int | None) -> AckState | None:
        """Return what is known of an answer some time later; None as long as it is not taken."""
        connection = self.connection
        if connection is None or place is None or not connection.is_open():
            return self.fate_at_end(place)
        if not connection.has_taken(place):
            return None
        return AckState.RECEIVED if self.is_clients else AckState.IN_DOUBT


class HttpAck:
    """One answer, from before it is written until its fate is known and settled."""

    def __init__(
        self,
        ack_connection: AckConnection,
        settle: Settle,
        settled: Callable[["HttpAck"], None],
        sure_after_s: float,
    ) -> None:
        self._ack_connection = ack_connection
        self._sure_after_s = sure_after_s
        self._settle = settle
        self._settled = settled
        self._is_written = False
        self._place: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Future[None] | None = None
        self.settling: asyncio.Task[None] | None = None

    def is_written(self) -> None:
        """Record that all of it has just been written, or thrown away if the client was gone."""
        self._is_written = True
        self._place = self._ack_connection.place()
        if self._ack_connection.connection is None:
            self.settle(AckState.IN_DOUBT)
            return
        self._timer = asyncio.get_running_loop().call_later(self._sure_after_s, self._look)
        self._ack_connection.connection.add_end_callback(self._look)

    def settle_when(self, asked: Coroutine[None, None, None]) -> None:
        """Settle it by what is known once `asked` returns: a later request waits for that."""
        self._asking = asyncio.ensure_future(asked)
        if self.settling:
            self._asking.cancel()
        self._asking.add_done_callback(lambda it: None if it.cancelled() else self._look())

    def settle(self, fate: AckState) -> None:
        """Begin to settle it, if nothing has before."""
        if self.settling:
            return
        for waiting in (self._timer, self._asking):
            if waiting:
                waiting.cancel()
        if connection := self._ack_connection.connection:
            connection.remove_end_callback(self._look)
        self.settling = asyncio.create_task(self._do_settle(fate))
        self.settling.add_done_callback(lambda _: self._settled(self))

    def settle_unless_written(self) -> None:
        """Settle it as lost, if it was not written whole."""
        if not self._is_written:
            self.settle(AckState.LOST)

    def settle_by_now(self) -> None:
        """Settle it by what is known by now."""
        self.settle(self._ack_connection.fate_at_end(self._place))

    def settle_by_request(self) -> None:
        """Settle it by the fact that another request has come on its connection."""
        if self._place is not None:
            self.settle(AckState.RECEIVED if self._ack_connection.is_clients else AckState.IN_DOUBT)

    def _look(self) -> None:
        fate = self._ack_connection.fate_while_open(self._place)
        if fate is not None:
            self.settle(fate)
        elif not self.settling:
            self._timer = asyncio.get_running_loop().call_later(TAKEN_AGAIN_S, self._look)

    async def _do_settle(self, fate: AckState) -> None:
        with contextlib.suppress(TransientError):  # then it stays in doubt
            await self._settle(fate)


class HttpAcks:
    """The answers of this process whose fate is not known yet, by connection.

    `tells` says that the proxy before it, if there is one, closes when its client leaves.
    """

    def __init__(self, *, tells: bool = False) -> None:
        self._tells = tells
        self._open: defaultdict[Connection | None, set[HttpAck]] = defaultdict(set)

    def connection(self, request: Request) -> AckConnection:
        """Return the connection that a request came on, as far as it speaks for the client."""
        return AckConnection(
            connection_of(request.scope),
            is_proxied=is_proxied(frozenset(request.headers)),
            tells=self._tells,
        )

    def begin(self, ack_connection: AckConnection, ack: str, settle: Settle) -> HttpAck:
        """Take up an answer that is about to be written, by what it hands over."""
        connection = ack_connection.connection
        is_soon = ack_connection.is_soon_enough(ack)
        sure_after_s = POOLED_AFTER_S if is_soon else SURE_AFTER_S
        http_ack = HttpAck(
            ack_connection, settle, lambda it: self._drop(connection, it), sure_after_s
        )
        self._open[ack_connection.connection].add(http_ack)
        return http_ack

    async def prove(self, request: Request) -> None:
        """Settle what a new request proves, before it is served.

        Nor is what the end of another connection has proven a moment ago waited for: all of it goes
        to the store in the order in which it is asked for, and the request only behind that.
        """
        found = self._open.get(connection_of(request.scope))
        for http_ack in tuple(found or ()):
            http_ack.settle_by_request()
        await asyncio.sleep(0)

    async def end(self) -> None:
        """Settle all by what is known by now."""
        http_acks = [each for found in self._open.values() for each in found]
        for http_ack in http_acks:
            http_ack.settle_by_now()
        tasks = [http_ack.settling for http_ack in http_acks if http_ack.settling]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drop(self, connection: Connection | None, http_ack: HttpAck) -> None:
        self._open[connection].discard(http_ack)
        if not self._open[connection]:
            del self._open[connection]


PAUSES_S = (0.25, 0.1)
"""For the reset's way back from the client after the first, and from the proxy after the second."""


class Probe:
    """Finds out by two comments whether anyone would get an answer.

    At first, when it has just asked, a client is taken to be there.
    """

    def __init__(self, is_there: IsThere, comment: Comment) -> None:
        self._is_there = is_there
        self._comment = comment
        self._has_just_asked = True

    async def __call__(self) -> bool:
        """Report whether the client is there, as far as can be found out."""
        if self._has_just_asked:
            self._has_just_asked = False
            return await self._is_there()
        for pause_s in PAUSES_S:
            if not await self._is_there():
                return False
            await self._comment()
            await asyncio.sleep(pause_s)
        return await self._is_there()


class AckedAnswer:
    """An answer that is one body, and what it hands over."""

    def __init__(self, body: ASGIApp, http_ack: HttpAck) -> None:
        self._body = body
        self._http_ack = http_ack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; whatever ends the sending before it is whole loses it."""
        try:
            await self._body(scope, receive, send)
            self._http_ack.is_written()
        except BaseException:
            self._http_ack.settle(AckState.LOST)
            raise
