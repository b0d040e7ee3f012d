"""Serves an app over HTTP until SIGTERM or Ctrl-C, then drains."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from typing_extensions import override

from bridge.configuration.settings import MAX_BODY_BYTES
from bridge.local.ports import BACKLOG
from bridge.net.closing import take_the_last
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


class DrainingServer(uvicorn.Server):
    """A uvicorn that says so before it starts to drain, and hears its clients out.

    uvicorn waits for every connection to end, and a stream that waits for events never ends by
    itself: `on_drain` is the moment to end those. uvicorn also closes each connection once it is
    idle, and a request that is on its way then is reset, which no client may safely send again
    (RFC 9112, 9.3.1). So for `LAST_CALLS_S`, or half the time there is, connections stay open, and
    it is for the app to let each answer be the last of its connection.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain_s: float,
        on_drain: Callable[[], None],
        *,
        is_listener_shared: bool = False,
    ) -> None:
        super().__init__(config)
        self._last_calls_s = min(LAST_CALLS_S, drain_s / 2)
        self.config.timeout_graceful_shutdown = max(1, round(drain_s - self._last_calls_s))
        self._on_drain = on_drain
        self._is_listener_shared = is_listener_shared

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_gone(), self._last_calls_s)
        for listener in () if self._is_listener_shared else sockets or ():
            await take_the_last(listener)
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
    *,
    is_listener_shared: bool = False,
) -> None:
    """Serve until told to stop; return when all is drained, or `drain_s` later at most.

    A listener that is shared stays open in another process: what waits there is that one's.
    Of a refused body up to twice `max_body_bytes` are read, so that its sender sees the refusal.

    Requests come in while the app still starts: what they are answered is for the app to say.
    The app's lifespan is entered here and not by uvicorn, which would turn what it raises into a
    traceback and an exit status of its own. So a lifespan that yields state is not supported.
    """
    LimitedProtocol.dropped_bytes_max = 2 * max_body_bytes
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
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
    server = DrainingServer(config, drain_s, on_drain, is_listener_shared=is_listener_shared)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve_in_lifespan(app, server, listener))


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
