"""Streams of session wires: what goes out is in its outbox first, and read from there."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from mcp.server.connection import Connection
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from starlette.requests import Request

from bridge.mcp.exchange import Caller, Exchange, Message, answer, encode
from bridge.mcp.server import Door
from bridge.mcp.wires.event_stream import KEEPALIVE, event
from bridge.runtime import Runtime
from bridge.store.sessions import Session

STANDING = "standing"
"""The stream of a session that belongs to no request."""

ASK_S = 300.0
LOOK_AGAIN_S = 5.0


class OutboxLine:
    """Carries an exchange's frames through one stream's outbox."""

    can_ask = True

    def __init__(self, runtime: Runtime, session_id: str, stream: str) -> None:
        self._runtime = runtime
        self._session_id = session_id
        self.stream = stream

    async def send(self, message: Message) -> None:
        """Put a frame into the outbox."""
        await self._runtime.outbox.append(self._session_id, self.stream, encode(message))

    async def end(self, message: Message) -> None:
        """Put the answer into the outbox; the stream of one request ends with it."""
        is_last = self.stream != STANDING
        await self._runtime.outbox.append(
            self._session_id, self.stream, encode(message), is_last=is_last
        )

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> Message:
        """Ask the client; whichever process its answer reaches puts it on record.

        Raises:
            TimeoutError: no answer within ASK_S.
        """
        request_id = "bridge-" + secrets.token_urlsafe(9)
        with self._runtime.wakes.listening(f"answer:{self._session_id}:{request_id}") as bell:
            await self.send(
                {"jsonrpc": "2.0", "id": request_id, "method": method, "params": dict(params or {})}
            )
            async with asyncio.timeout(ASK_S):
                while True:
                    kept = await self._runtime.outbox.read_answer(self._session_id, request_id)
                    if kept is not None:
                        found: Message = json.loads(kept)
                        return found
                    await bell.wait(LOOK_AGAIN_S)


async def serve_into(
    request: Request, message: Message, door: Door, caller: Caller, session: Session, stream: str
) -> Session:
    """Serve a request and leave its answer in the stream's outbox; gives the session as it is then."""
    runtime = caller.runtime
    line = OutboxLine(runtime, session.session_id, stream)
    exchange, connection = open_exchange(request, message, session, line)
    serving = asyncio.ensure_future(answer(door.mcp, exchange, connection, caller))
    try:
        reply = await _unless_cancelled(runtime, session, exchange, serving)
    finally:
        serving.cancel()
    if reply is None:
        await caller.answered(reached=False)
        return session
    session = await keep_handshake(runtime, session, message, reply, connection)
    await line.end(reply)
    await caller.answered(reached=True)
    return session


async def _unless_cancelled(
    runtime: Runtime, session: Session, exchange: Exchange, serving: "asyncio.Future[Message]"
) -> Message | None:
    """Wait for the answer; None once the client has said that it wants it no more."""
    name = cancel_name(session.session_id, exchange.request_id)
    with runtime.wakes.listening(name) as bell:
        cancelled = asyncio.ensure_future(bell.rung())
        try:
            await asyncio.wait((serving, cancelled), return_when=asyncio.FIRST_COMPLETED)
            return serving.result() if serving.done() else None
        finally:
            cancelled.cancel()


def open_exchange(
    request: Request, message: Message, session: Session, line: OutboxLine
) -> tuple[Exchange, Connection]:
    """Set up the SDK's view of a session's request."""
    transport = TransportContext(kind=session.wire, can_send_request=True, headers=request.headers)
    metadata = ServerMessageMetadata(request_context=request)
    exchange = Exchange(message, line, transport, message_metadata=metadata)
    version = session.version or LATEST_HANDSHAKE_VERSION
    return exchange, Connection.from_envelope(version, session.info, session.capabilities)


async def keep_handshake(
    runtime: Runtime, session: Session, message: Message, reply: Message, connection: Connection
) -> Session:
    """Put on record what an `initialize` has settled."""
    if message["method"] != "initialize" or "error" in reply:
        return session
    params = message.get("params") or {}
    settled = Session(
        session_id=session.session_id,
        principal=session.principal,
        wire=session.wire,
        client=session.client,
        version=connection.protocol_version,
        info=params.get("clientInfo"),
        capabilities=params.get("capabilities"),
    )
    await runtime.sessions.write(settled)
    return settled


async def read_frames(
    runtime: Runtime, session_id: str, stream: str, after: str = ""
) -> AsyncGenerator[bytes, None]:
    """Yield a stream's frames as events from its outbox, with comments in between, to its last one."""
    keepalive_s = runtime.settings.keepalive_s
    with runtime.wakes.listening(f"outbox:{session_id}:{stream}") as bell:
        while True:
            for frame in await runtime.outbox.read(session_id, stream, after):
                after = frame.frame_id
                yield event(frame.content.decode(), event_id=f"{stream}/{after}")
                if frame.is_last:
                    return
            if not await bell.wait(keepalive_s):
                yield KEEPALIVE


def cancel_name(session_id: str, request_id: str | int) -> str:
    """Name the wake that tells whoever serves a request that the client has cancelled it."""
    return f"cancel:{session_id}:{request_id}"


async def take_note(runtime: Runtime, session: Session, message: Message) -> None:
    """Act on a message that wants no answer: a client's own answer, or a cancellation."""
    if "method" not in message:
        await runtime.outbox.put_answer(session.session_id, str(message.get("id")), encode(message))
    elif message["method"] == "notifications/cancelled":
        params = message.get("params") or {}
        await runtime.wakes.ring(cancel_name(session.session_id, params.get("requestId", "")))
