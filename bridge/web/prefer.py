"""`Prefer: wait=N` (RFC 7240, 4.3): requests held open for a reply, and whether it went out."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from bridge.formats.json_text import encode
from bridge.net.connection import Connection, connection_of
from bridge.web.middleware import state_of

WAIT_MAX_S = 290
"""n8n gives a request up after 300 seconds."""

_PREFERENCE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')
_WAIT = re.compile(r'\s*wait\s*=\s*("?)0*([0-9]+)\1\s*(?:;|$)', re.IGNORECASE)


def preferred_wait_s(headers: Iterable[str]) -> int:
    """Read how long a sender would wait; 0 where it does not say, or says what nobody can read.

    Of several such preferences the first counts.
    """
    for preference in _PREFERENCE.findall(",".join(headers)):
        if found := _WAIT.match(preference):
            return min(int(found[2]), WAIT_MAX_S) if len(found[2]) < 4 else WAIT_MAX_S
    return 0


T = TypeVar("T")
PAUSES_S = (0.001, 0.004, 0.015, *[0.05] * 100)
"""Between looks at whether an answer has arrived; an acknowledgement may take 40 ms by itself."""


async def while_there(request: Request, work: Awaitable[T]) -> T | None:
    """Wait for `work`; None, and the work is cancelled, if the client leaves or we drain first."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_until_gone(request))
    with state_of(request).streams.holding(watching.cancel):
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            return await working if working.done() else None
        finally:
            working.cancel()
            watching.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class WatchedAnswer(Response):
    """A JSON answer that tells `settle` whether it was surely written, whatever happens to it.

    Its last byte is held back until the other side's system has acknowledged the rest: so far the
    client cannot be done, and closes the connection only if it has given up.
    """

    media_type = "application/json"

    def __init__(
        self,
        content: object,
        status: int,
        headers: dict[str, str],
        settle: Callable[[bool], Awaitable[None]],
    ) -> None:
        super().__init__(encode(content, compact=True), status, headers)
        self._settle = settle

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and settle before the server closes the connection by itself."""
        is_written = False
        try:
            is_written = await self.write(connection_of(scope), send)
        finally:
            await self._settle(is_written)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def write(self, connection: Connection | None, send: Send) -> bool:
        """Send all of it; True if it was surely written."""
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        await send(_part(self.body[:-1]))
        await send(_part(b""))  # waits until the connection has room again
        is_taken = connection is not None and await _is_taken_in_time(connection)
        await send(_part(self.body[-1:]))
        return is_taken and connection is not None and connection.is_open()


def _part(content: bytes | memoryview) -> dict[str, object]:
    return {"type": "http.response.body", "body": content, "more_body": True}


async def _is_taken_in_time(connection: Connection) -> bool:
    for pause_s in PAUSES_S:
        if not connection.is_open():
            return False
        if connection.is_taken():
            return True
        await asyncio.sleep(pause_s)
    return False
