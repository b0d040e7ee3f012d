"""Breaks connections without an answer, which ASGI has no word for.

uvicorn hands its protocol class the transport and builds the ASGI scope from it, so a protocol
class of our own can put the transport's end into the scope's extensions. `serving` gives this
class to its server.
"""

import socket
import struct
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

ABORT = "bridge.standin.abort"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class BrokenOffError(Exception):
    """A request that gets no answer: its connection breaks."""


class BreakableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a way to break the connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        app = self.app

        async def breakable(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[ABORT] = self._reset
            await app(scope, receive, send)

        self.app = breakable

    def _reset(self) -> None:
        if self.transport.is_closing():
            return
        peer = self.transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.transport.abort()


async def break_connection(request: Request) -> Response:
    """Reset the request's connection; where the server cannot, answer 502 as a proxy would."""
    abort = request.scope.get("extensions", {}).get(ABORT)
    if abort is None:
        return Response(status_code=502)
    abort()
    # The server notes the break before it gets the answer, and so writes none.
    await request.receive()
    return Response()
