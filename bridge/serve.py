"""Serves an app over HTTP until SIGTERM or Ctrl-C, then drains."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from bridge.ports import BACKLOG, IS_OPEN

logger = logging.getLogger(__name__)

KEPT_IDLE_S = 75


class WatchedProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # httptools' or h11's
    """uvicorn's HTTP/1.1, with a word in the scope on whether the connection is still open.

    ASGI has none: once an answer is out, `receive` says "disconnected" whatever the client does.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        app: ASGIApp = self.app  # type: ignore[has-type]  # as above

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[IS_OPEN] = self._is_open
            await app(scope, receive, send)

        self.app = watched

    def _is_open(self) -> bool:
        return not self.transport.is_closing()


class Server(uvicorn.Server):
    """A uvicorn that says so before it starts to drain.

    uvicorn waits for every connection to end, and a stream that waits for events never ends by
    itself: `on_drain` is the moment to end those.
    """

    def __init__(self, config: uvicorn.Config, on_drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_drain = on_drain

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_drain()
        await super().shutdown(sockets)


def serve(
    app: Starlette,
    listener: socket.socket,
    drain_s: float,
    on_drain: Callable[[], None] = lambda: None,
) -> None:
    """Serve until told to stop; return when all is drained, or `drain_s` later at most.

    The app's lifespan is entered here and not by uvicorn, which would turn what it raises into a
    traceback and an exit status of its own. So a lifespan that yields state is not supported.
    """
    config = uvicorn.Config(
        app,
        http=WatchedProtocol,
        timeout_keep_alive=KEPT_IDLE_S,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=max(1, round(drain_s)),
    )
    logging.getLogger("uvicorn.error").addFilter(is_no_cut_off)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve_in_lifespan(app, Server(config, on_drain), listener))


def is_no_cut_off(record: logging.LogRecord) -> bool:
    """Let pass all but the traceback of a request that was cut off when its time to drain was over.

    That is no bug, and uvicorn has named it in a line of its own.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


async def serve_in_lifespan(app: Starlette, server: Server, listener: socket.socket) -> None:
    """Serve between the app's start-up and its shutdown."""
    async with app.router.lifespan_context(app):
        # uvicorn raises the signal once more when it is done; to be told to stop is no failure.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: setattr(server, "should_exit", True))
        logger.info("http.started", extra={"address": listener.getsockname()[:2]})
        # What is loaded now stays: collections that look through it again would stop the process
        # for a tenth of a second each.
        gc.collect()
        gc.freeze()
        await server.serve(sockets=[listener])
