"""The porter before every door: nobody is let in before the process is open."""

import asyncio
import contextlib

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.web.problems import problem

AGAIN_S = 1


class Opening:
    """Whether this process takes requests: not yet, now, or for the last time."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self.is_draining = False
        self.waits_for = ""
        """Why the process is not open yet, where that is not its own doing."""

    def open(self) -> None:
        """Take requests from now on."""
        self._opened.set()

    def wait_for(self, why: str) -> None:
        """Note what keeps the process from opening."""
        self.waits_for = why

    def drain(self) -> None:
        """Let each request that still comes be the last of its connection."""
        self.is_draining = True

    async def has_opened(self, within_s: float) -> bool:
        """Wait for the process to open; False when it has not in time."""
        if not self._opened.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._opened.wait(), within_s)
        return self._opened.is_set()


class Admission:
    """Lets requests wait `patience_s` for a process that starts, and answers 503 otherwise.

    Those that ask whether the process is ready wait for nothing, and whether it is alive is
    answered at any time. One that drains says that it is not ready, answers what still comes, and
    has the client open its next connection elsewhere.
    """

    def __init__(self, app: ASGIApp, opening: Opening, patience_s: float) -> None:
        self._app = app
        self._opening = opening
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer in place of the door."""
        answer = self._app
        if scope["type"] == "http" and scope["path"] != "/healthz":
            answer = await self._refusal(scope["path"]) or self._app
        await answer(scope, receive, self._closing(send))

    async def _refusal(self, path: str) -> Response | None:
        again = {"Retry-After": str(AGAIN_S)}
        patience_s = 0 if path == "/readyz" else self._patience_s
        if not await self._opening.has_opened(patience_s):
            why = self._opening.waits_for
            detail = "this process is starting" + (f": {why}" if why else "")
            return problem(503, detail, again)
        if self._opening.is_draining and path == "/readyz":
            return problem(503, "this process is ending; another one answers", again)
        return None

    def _closing(self, send: Send) -> Send:
        async def send_on(message: Message) -> None:
            if self._opening.is_draining and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        return send_on
