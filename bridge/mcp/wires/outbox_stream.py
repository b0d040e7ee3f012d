"""Streams of session wires: what goes out is in its outbox first, and read from there.

Answers of clients and their cancellations are on record too, for whichever process waits for them.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import re
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from mcp.server.connection import Connection
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types.jsonrpc import REQUEST_TIMEOUT
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from starlette.requests import Request

from bridge.errors import TransientError
from bridge.mcp.change_watch import beside
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.exchange import (
    Answer,
    Caller,
    Exchange,
    SessionOutbound,
    answer,
    encode,
    error_message,
    lose,
)
from bridge.mcp.http_acks import AckConnection
from bridge.mcp.session_notifications import SessionNotifications, SessionSubscriptions
from bridge.mcp.wires.client_info import kept_capabilities, kept_info
from bridge.mcp.wires.stream_reader import HANG_UP
from bridge.models import Message
from bridge.runtime import Runtime
from bridge.store.sessions import Owed, Session, probe_wake, reader_wake, request_key
from bridge.store.signals import LOOK_AGAIN_S
from bridge.verbs.acks import AckState

TRY_AGAIN_S = 5.0
NOTED = re.compile(r"(bridge|cancel)-[\w-]+", re.ASCII)


def cancel_note(request_id: object) -> str:
    """Name the record of the client's wish to have a request cancelled.

    A digest, for the id is the client's own and may be of any length and spelling.
    """
    return "cancel-" + hashlib.sha256(str(request_id).encode()).hexdigest()[:32]


async def prove(runtime: Runtime, session: Session) -> None:
    """Take a request of the session as proof that the answers written before it have arrived."""
    for ack in await runtime.streams.proven(session.session_id):
        await runtime.acks.settle(ack, AckState.RECEIVED)


async def take_note(runtime: Runtime, session: Session, message: Message) -> None:
    """Act on a message that wants no answer: a client's own answer, or a cancellation."""
    if "method" not in message:
        request_id = str(message.get("id"))
    elif message["method"] == "notifications/cancelled":
        request_id = cancel_note((message.get("params") or {}).get("requestId"))
    else:
        return
    if NOTED.fullmatch(request_id):
        await runtime.outbox.put_answer(session.session_id, request_id, encode(message))


async def answer_to(runtime: Runtime, session_id: str, request_id: str) -> bytes:
    """Wait until an answer of the client is on record, whichever process put it there."""
    with runtime.signals.subscribed(f"answer:{session_id}:{request_id}") as woken:
        while True:
            look_again_s = TRY_AGAIN_S
            with contextlib.suppress(TransientError):
                kept = await runtime.outbox.read_answer(session_id, request_id)
                if kept is not None:
                    return kept
                look_again_s = LOOK_AGAIN_S
            await woken.wait(look_again_s)


logger = logging.getLogger(__name__)

STANDING = "standing"
"""The stream of a session that belongs to no request."""

OWED = frozenset({"tools/call"})
"""The methods whose answers may be long in coming: each is on record until it is answered."""

RESUMABLE_SINCE = "2025-11-25"
"""The first protocol version whose clients come back when a stream is closed on them (SEP-1699)."""

REQUEST_CANCELLED = -32800
"""What ends the stream of a cancelled request, as mcp 2.3 ends it on these wires."""

ASK_S = 300.0


class OutboxChannel:
    """Carries an exchange's frames through one stream's outbox."""

    can_ask = True

    def __init__(self, runtime: Runtime, session_id: str, stream: str) -> None:
        self.runtime = runtime
        self._session_id = session_id
        self.stream = stream

    async def send(self, message: Message) -> None:
        """Put a frame into the outbox."""
        await self.runtime.outbox.append(self._session_id, self.stream, encode(message))

    async def end(self, message: Message, ack: str, request: str) -> None:
        """Put the answer into the outbox; the stream of one request ends with it.

        A client waits for nothing but this frame, so a Redis that is away is waited for.
        """
        while True:
            try:
                await self.runtime.outbox.answer(
                    self._session_id,
                    self.stream,
                    encode(message),
                    ends=self.stream != STANDING,
                    receipt=ack,
                    request=request,
                )
            except TransientError as error:
                logger.warning("outbox.waiting", extra={"reason": str(error)})
            else:
                return

    async def hang_up(self) -> None:
        """Close the connection that now reads the stream; its client resumes after this frame."""
        await self.runtime.outbox.append(self._session_id, self.stream, HANG_UP)

    async def ask(
        self, method: str, params: Mapping[str, Any] | None, timeout_s: float | None = None
    ) -> Message:
        """Ask the client; whichever process its answer reaches puts it on record.

        Raises:
            MCPError: no answer in time (ASK_S when no time is given).
        """
        request_id = "bridge-" + secrets.token_urlsafe(9)
        await self.send(
            {"jsonrpc": "2.0", "id": request_id, "method": method, "params": dict(params or {})}
        )
        try:
            async with asyncio.timeout(timeout_s or ASK_S):
                kept = await answer_to(self.runtime, self._session_id, request_id)
        except TimeoutError:
            given_up = {"requestId": request_id, "reason": "not answered in time"}
            await self.send(
                {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": given_up}
            )
            raise MCPError(REQUEST_TIMEOUT, f"{method} was not answered in time") from None
        found: Message = json.loads(kept)
        return found


async def with_news(
    frames: AsyncGenerator[bytes, None], caller: Caller, endpoint: McpEndpoint, session_id: str
) -> AsyncGenerator[bytes, None]:
    """Yield a standing stream's frames, with the session's news put among them meanwhile."""
    line = OutboxChannel(caller.runtime, session_id, STANDING)
    news = SessionNotifications(
        caller.runtime, caller.server, endpoint.lists, session_id, line.send
    )
    async with contextlib.aclosing(frames), beside(news.tell()):
        async for chunk in frames:
            yield chunk


async def register(caller: Caller, session: Session, stream: str, message: Message) -> bool:
    """Put a request on record before it is served; False when it was there before."""
    owed = Owed(message, caller.call_id)
    return await caller.runtime.streams.register(session.session_id, stream, owed)


async def serve_into(
    request: Request,
    message: Message,
    endpoint: McpEndpoint,
    caller: Caller,
    session: Session,
    stream: str,
) -> None:
    """Serve a request, its answer into the stream's outbox; one that is owed is answered once."""
    runtime = caller.runtime
    line = OutboxChannel(runtime, session.session_id, stream)
    exchange, connection = open_exchange(request, message, session, line)
    caller = _waiting(request, caller, session, stream)
    serving = asyncio.ensure_future(answer(endpoint.mcp, exchange, connection, caller))
    try:
        answered = await _unless_cancelled(runtime, session, exchange, serving)
    finally:
        serving.cancel()
        await asyncio.wait({serving})
    is_owed = stream != STANDING or message["method"] in OWED
    request_name = request_key(message) if is_owed else ""
    if answered is None:
        if not serving.cancelled():
            await lose(caller, serving.result().ack)
        if stream == STANDING:
            await runtime.streams.drop(session.session_id, request_name)
            return
        error = error_message(exchange.request_id, REQUEST_CANCELLED, "Request cancelled")
        answered = Answer(error)
    await keep_handshake(runtime, session, message, answered.message, connection)
    await line.end(answered.message, answered.ack, request_name)
    if not await caller.is_there():
        await lose(caller, answered.ack)


def _waiting(request: Request, caller: Caller, session: Session, stream: str) -> Caller:
    """Return a caller that is there as long as its stream is read, whoever reads it."""
    runtime, place = caller.runtime, (session.session_id, stream)
    is_there = partial(runtime.streams.is_read, *place)
    comment = partial(runtime.signals.notify, probe_wake(*place))
    return replace(
        caller,
        hearing=SessionSubscriptions(runtime, caller.server, session.session_id),
        is_there=is_there,
        presence=AckConnection.of(request).presence(is_there, comment, reader_wake(*place)),
    )


async def _unless_cancelled(
    runtime: Runtime, session: Session, exchange: Exchange, serving: "asyncio.Future[Answer]"
) -> Answer | None:
    """Wait for the answer; None once the client has said that it wants it no more."""
    cancelled = asyncio.ensure_future(
        answer_to(runtime, session.session_id, cancel_note(exchange.request_id))
    )
    try:
        await asyncio.wait((serving, cancelled), return_when=asyncio.FIRST_COMPLETED)
        return serving.result() if serving.done() else None
    finally:
        cancelled.cancel()


def open_exchange(
    request: Request, message: Message, session: Session, line: OutboxChannel
) -> tuple[Exchange, Connection]:
    """Set up the SDK's view of a session's request."""
    transport = TransportContext(kind=session.wire, can_send_request=True, headers=request.headers)
    standing = OutboxChannel(line.runtime, session.session_id, STANDING)
    metadata = ServerMessageMetadata(request_context=request)
    if line.stream != STANDING and session.version >= RESUMABLE_SINCE:
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
        info=kept_info(params.get("clientInfo")),
        capabilities=kept_capabilities(params.get("capabilities")),
    )
    await runtime.sessions.write(settled)
    return settled
