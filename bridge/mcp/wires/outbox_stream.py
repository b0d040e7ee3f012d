"""Streams of session wires: what goes out is in its outbox first, and read from there.

Answers of clients and their cancellations are on record too, for whichever process waits for them.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from mcp.server.connection import Connection
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from starlette.requests import Request

from bridge.errors import TransientError
from bridge.mcp.exchange import (
    ASK_S,
    Answer,
    Exchange,
    SessionOutbound,
    answer,
    client_request,
    encode,
    error_message,
    lose,
    not_answered,
)
from bridge.mcp.requests import McpRequest
from bridge.mcp.session_notifications import SessionNotifications, SessionSubscriptions
from bridge.mcp.tools import Caller
from bridge.mcp.wires.client_info import kept_capabilities, kept_info
from bridge.mcp.wires.stream_reader import StreamReader
from bridge.models import Message, Owed, Session
from bridge.verbs.acks import ack_apart
from bridge.verbs.sessions import HANG_UP, STANDING, Sessions, SessionStream, cancel_note, insist

OWED = frozenset({"tools/call"})
"""The methods whose answers may be long in coming: each is on record until it is answered."""

RESUMABLE_SINCE = "2025-11-25"
"""The first protocol version whose clients come back when a stream is closed on them (SEP-1699)."""

REQUEST_CANCELLED = -32800
"""What ends the stream of a cancelled request, as mcp 2.3 ends it on these wires."""


class OutboxChannel:
    """Carries an exchange's frames through one stream's outbox."""

    __slots__ = ("_stream",)
    can_ask = True

    def __init__(self, stream: SessionStream) -> None:
        self._stream = stream

    async def send(self, message: Message) -> None:
        """Put a frame into the outbox."""
        await self._stream.append(encode(message))

    async def hang_up(self) -> None:
        """Close the connection that now reads the stream; its client resumes after this frame."""
        await self._stream.append(HANG_UP)

    async def ask(
        self, method: str, params: Mapping[str, Any] | None, timeout_s: float | None = None
    ) -> Message:
        """Ask the client; whichever process its answer reaches puts it on record.

        Raises:
            MCPError: no answer in time (ASK_S when no time is given).
        """
        request = client_request(method, params)
        await self.send(request)
        try:
            async with asyncio.timeout(timeout_s or ASK_S):
                kept = await self._stream.answer_to(request["id"])
        except TimeoutError:
            given_up = {"requestId": request["id"], "reason": "not answered in time"}
            await self.send(
                {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": given_up}
            )
            raise not_answered(method) from None
        found: Message = json.loads(kept)
        return found


def open_reader(
    request: McpRequest, session: Session, stream: str, client: str, place: str
) -> StreamReader:
    """Return a reader of a stream, by which what is owed on it is served here from now.

    `place` is what the ids of its events begin with.
    """
    runtime, connection = request.caller.runtime, request.connection
    # What is owed is answered through the outbox: its way to this response would only be kept.
    request = replace(request, http=Request(request.http.scope))
    return StreamReader(
        runtime.sessions.reading(session.session_id, stream, client),
        runtime.keepalives.name(),
        place,
        partial(_serve_owed, request, session, stream),
        connection,
        request.state.http_acks,
        _notifications(request, session) if stream == STANDING else None,
    )


def _serve_owed(request: McpRequest, session: Session, stream: str, owed: Owed) -> None:
    one = request.current().for_call(owed.call_id)
    request.state.tasks.start(serve_into(one, owed.message, session, stream))


def _notifications(request: McpRequest, session: Session) -> SessionNotifications:
    sessions, session_id = request.caller.runtime.sessions, session.session_id
    standing = OutboxChannel(sessions.stream(session_id, STANDING))
    return SessionNotifications(
        request.caller, request.endpoint.listening, session_id, standing.send
    )


async def put_on_record(request: McpRequest, message: Message, stream: SessionStream) -> bool:
    """Put a request on record before it is served; False when it was there before.

    One that is refused is taken off again: else whoever takes over from this process would serve
    it, long after its client was told that it is not served.
    """
    call_id = request.caller.call_id
    try:
        return await stream.register(message, call_id)
    except TransientError:
        request.state.tasks.start(stream.drop(message, call_id))
        raise


async def serve_into(
    request: McpRequest, message: Message, session: Session, stream_name: str
) -> None:
    """Serve a request, its answer into the stream's outbox; one that is owed is answered once."""
    sessions = request.caller.runtime.sessions
    stream = sessions.stream(session.session_id, stream_name)
    exchange, connection = open_exchange(request, message, session, stream)
    caller = _waiting(request, stream)
    serving = asyncio.ensure_future(answer(request.endpoint.mcp, exchange, connection, caller))
    try:
        answered = await _unless_cancelled(stream, exchange, serving)
    finally:
        serving.cancel()
        await asyncio.wait({serving})
    is_owed = not stream.is_standing or message["method"] in OWED
    owed = message if is_owed else None
    if answered is None:
        if not serving.cancelled():
            await lose(caller, serving.result().ack)
        if stream.is_standing:
            if owed:
                await stream.drop(owed, caller.call_id)
            return
        error = error_message(exchange.request_id, REQUEST_CANCELLED, "Request cancelled")
        answered = Answer(error)
    await insist(partial(keep_handshake, sessions, session, message, answered.message, connection))
    ack = ack_apart(answered.ack, caller.call_id) if stream.is_standing else answered.ack
    await stream.answer(encode(answered.message), ack, owed)
    with contextlib.suppress(TransientError):  # in doubt it is read
        if not await stream.is_read():
            await lose(caller, answered.ack)


def _waiting(request: McpRequest, stream: SessionStream) -> Caller:
    """Return the caller, which is there as long as its stream is read, whoever reads it."""
    is_there = stream.is_read
    return replace(
        request.caller,
        hearing=SessionSubscriptions(
            request.caller.runtime.inboxes, request.caller.server, stream.session_id
        ),
        is_there=is_there,
        presence=lambda: request.connection.presence(is_there, stream.probe, stream.reader_changes),
    )


async def _unless_cancelled(
    stream: SessionStream, exchange: Exchange, serving: "asyncio.Future[Answer]"
) -> Answer | None:
    """Wait for the answer; None once the client has said that it wants it no more."""
    cancelled = asyncio.ensure_future(stream.answer_to(cancel_note(exchange.request_id)))
    try:
        await asyncio.wait((serving, cancelled), return_when=asyncio.FIRST_COMPLETED)
        return serving.result() if serving.done() else None
    finally:
        cancelled.cancel()


def open_exchange(
    request: McpRequest, message: Message, session: Session, stream: SessionStream
) -> tuple[Exchange, Connection]:
    """Set up the SDK's view of a session's request."""
    transport = TransportContext(
        kind=session.wire, can_send_request=True, headers=request.http.headers
    )
    sessions = request.caller.runtime.sessions
    line = OutboxChannel(stream)
    standing = OutboxChannel(sessions.stream(session.session_id, STANDING))
    metadata = ServerMessageMetadata(request_context=request.http)
    if not stream.is_standing and session.version >= RESUMABLE_SINCE:
        metadata.close_sse_stream = line.hang_up
        metadata.close_standalone_sse_stream = standing.hang_up
    exchange = Exchange(message, line, transport, message_metadata=metadata)
    connection = Connection.from_envelope(
        session.version or LATEST_HANDSHAKE_VERSION,
        session.info,
        session.capabilities,
        outbound=SessionOutbound(standing),
    )
    return exchange, connection


async def keep_handshake(
    sessions: Sessions, session: Session, message: Message, reply: Message, connection: Connection
) -> Session:
    """Put on record what an `initialize` has settled."""
    if message["method"] != "initialize" or "error" in reply:
        return session
    params = message.get("params") or {}
    settled = replace(
        session,
        version=connection.protocol_version,
        info=kept_info(params.get("clientInfo")),
        capabilities=kept_capabilities(params.get("capabilities")),
    )
    await sessions.settle(settled)
    return settled
