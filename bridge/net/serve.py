"""Serves an app over HTTP until SIGTERM or Ctrl-C, then drains."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from bridge.configuration.settings import MAX_BODY_BYTES
from bridge.local.ports import BACKLOG
from bridge.net.connection import CONNECTION, Connection
from bridge.net.request_limits import LimitedProtocol

logger = logging.getLogger(__name__)

KEPT_IDLE_S = 75
PROMISED_IDLE_S = 70
"""How long clients may count on an idle connection: none shall ask on one that is being closed.

Node closes one after four seconds unless it is told, before that proves that an answer has come.
Source: RFC 2068, 19.7.1.1; draft-thomson-hybi-http-timeout-03.
"""
LAST_CALLS_S = 3.0
"""How long a process that drains still takes requests: clients and balancers learn late of it."""
LOOK_EVERY_S = 0.1
STALLED_AFTER_S = 30.0
"""How long a client may take nothing of what waits for it: two signs of life of a stream."""

GONE_AFTER_S = 60
"""How long what was sent may stay unacknowledged: so long a client that vanished is waited for."""


class WatchedProtocol(LimitedProtocol):
    """uvicorn's HTTP/1.1, with the connection in the scope, and an end for clients that stall.

    ASGI has no word on either: once an answer is out, `receive` says "disconnected" whatever the
    client does, and for a client that does not read `send` waits for ever.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        app = self.app
        self._stalling: asyncio.TimerHandle | None = None
        self._connection: Connection

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[CONNECTION] = self._connection
            await app(scope, receive, send)

        self.app = watched

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Have the system end it for a client that is gone without a word."""
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            option = transport.get_extra_info("socket")
            option.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_AFTER_S * 1000)
        self._connection = Connection(transport)
        super().connection_made(self._connection)

    @override
    def eof_received(self) -> None:
        """Hear that the client sends no more: it closes in good order."""
        self._connection.peer_has_closed()
        super().eof_received()

    @override
    def pause_writing(self) -> None:
        """Hear that more is waiting to be read than the system and we hold back."""
        super().pause_writing()
        self._look_again()

    @override
    def resume_writing(self) -> None:
        """Hear that the client reads."""
        super().resume_writing()
        self._look_no_more()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the connection is gone."""
        self._connection.is_lost(exc)
        self._look_no_more()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        unread_bytes = self.transport.get_write_buffer_size()
        self._stalling = self.loop.call_later(STALLED_AFTER_S, self._cut_unless_read, unread_bytes)

    def _look_no_more(self) -> None:
        if self._stalling:
            self._stalling.cancel()

    def _cut_unless_read(self, unread_bytes: int) -> None:
        if self.transport.get_write_buffer_size() < unread_bytes:
            self._look_again()
            return
        logger.warning("http.stalled", extra={"client": self.client, "unread_bytes": unread_bytes})
        self.transport.abort()


class DrainingServer(uvicorn.Server):
    """A uvicorn that says so before it starts to drain, and hears its clients out.

    uvicorn waits for every connection to end, and a stream that waits for events never ends by
    itself: `on_drain` is the moment to end those. uvicorn also closes each connection once it is
    idle, and a request that is on its way then is reset, which no client may safely send again
    (RFC 9112, 9.3.1). So for `LAST_CALLS_S`, or half the time there is, connections stay open, and
    it is for the app to let each answer be the last of its connection.
    """

    def __init__(
        self, config: uvicorn.Config, drain_s: float, on_drain: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._last_calls_s = min(LAST_CALLS_S, drain_s / 2)
        self.config.timeout_graceful_shutdown = max(1, round(drain_s - self._last_calls_s))
        self._on_drain = on_drain

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_gone(), self._last_calls_s)
        await super().shutdown(sockets)

    async def _all_gone(self) -> None:
        while self.server_state.connections:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(LOOK_EVERY_S)


def serve(
    app: Starlette,
    listener: socket.socket,
    drain_s: float,
    on_drain: Callable[[], None] = lambda: None,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> None:
    """Serve until told to stop; return when all is drained, or `drain_s` later at most.

    Of a refused body up to twice `max_body_bytes` are read, so that its sender sees the refusal.

    Requests come in while the app still starts: what they are answered is for the app to say.
    The app's lifespan is entered here and not by uvicorn, which would turn what it raises into a
    traceback and an exit status of its own. So a lifespan that yields state is not supported.
    """
    WatchedProtocol.dropped_bytes_max = 2 * max_body_bytes
    config = uvicorn.Config(
        app,
        http=WatchedProtocol,
        timeout_keep_alive=KEPT_IDLE_S,
        headers=[("keep-alive", f"timeout={PROMISED_IDLE_S}")],
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
    )
    logging.getLogger("uvicorn.error").addFilter(is_no_cut_off)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve_in_lifespan(app, DrainingServer(config, drain_s, on_drain), listener))


def is_no_cut_off(record: logging.LogRecord) -> bool:
    """Let pass all but the traceback of a request that was cut off when its time to drain was over.

    That is no bug, and uvicorn has named it in a line of its own.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


async def serve_in_lifespan(
    app: Starlette, server: DrainingServer, listener: socket.socket
) -> None:
    """Serve from the first moment on, while the app still starts, until its shutdown."""
    # uvicorn raises the signal once more when it is done; to be told to stop is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: setattr(server, "should_exit", True))
    opened, served = asyncio.Event(), asyncio.Event()
    life = asyncio.create_task(live(app, listener, opened, served))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.wait({life, serving}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    served.set()
    if not opened.is_set():
        life.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await life


async def live(
    app: Starlette, listener: socket.socket, opened: asyncio.Event, served: asyncio.Event
) -> None:
    """Start the app, say so, and shut it down once it has `served`."""
    address = listener.getsockname()[:2]
    async with app.router.lifespan_context(app):
        logger.info("http.started", extra={"address": address})
        # What is loaded now stays: collections that look through it again would stop the process
        # for a tenth of a second each.
        gc.collect()
        gc.freeze()
        opened.set()
        await served.wait()
