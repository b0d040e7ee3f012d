"""The way to the client of stdio for what is no answer: what it is told, and what it is asked."""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types.jsonrpc import REQUEST_TIMEOUT

from bridge.mcp.exchange import encode
from bridge.mcp.wires.eras import Eras
from bridge.mcp.wires.outbox_stream import ASK_S
from bridge.mcp.wires.pipes import LinesOut
from bridge.models import Message


class StdioLine:
    """Carries what goes out before and beside the answers; any of it may wait for the reader."""

    def __init__(self, sink: LinesOut, eras: Eras) -> None:
        self._sink = sink
        self._eras = eras
        self._asked: dict[str, asyncio.Future[Message]] = {}

    @property
    def can_ask(self) -> bool:
        """Tell whether the client's protocol knows requests from the server."""
        return self._eras.is_handshake

    async def send(self, message: Message) -> None:
        """Write a notification; a client that is gone is found out by who reads it."""
        with contextlib.suppress(OSError):
            await self._sink.write(encode(message))

    async def ask(
        self, method: str, params: Mapping[str, Any] | None, timeout_s: float | None = None
    ) -> Message:
        """Ask the client.

        Raises:
            MCPError: no answer in time (ASK_S when no time is given).
        """
        request_id = "bridge-" + secrets.token_urlsafe(9)
        answered = self._asked[request_id] = asyncio.get_running_loop().create_future()
        asking = {"jsonrpc": "2.0", "id": request_id, "method": method}
        try:
            await self.send({**asking, "params": dict(params or {})})
            return await asyncio.wait_for(answered, timeout_s or ASK_S)
        except TimeoutError:
            raise MCPError(REQUEST_TIMEOUT, f"{method} was not answered in time") from None
        finally:
            del self._asked[request_id]

    def take_answer(self, message: Message) -> None:
        """Hand an answer of the client to whoever asked; one to no question is dropped."""
        answered = self._asked.get(str(message.get("id")))
        if answered is not None and not answered.done():
            answered.set_result(message)
