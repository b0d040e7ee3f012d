"""The 2025 wires of Streamable HTTP: sessions by header, an answer as JSON or on its own stream.

An event's id is its stream and its place there, so any process can resume a stream from it.

Source: MCP 2025-11-25, "Streamable HTTP".
"""

import re
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from mcp_types.jsonrpc import INVALID_REQUEST
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from bridge.formats.json_text import show
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.exchange import Caller, answer, error_message
from bridge.mcp.http_acks import AckConnection
from bridge.mcp.session_notifications import SessionSubscriptions
from bridge.mcp.wires.event_stream import EventStream
from bridge.mcp.wires.messages import BATCHES_UNTIL, EVENTS, accepts
from bridge.mcp.wires.outbox_stream import (
    OWED,
    RESUMABLE_SINCE,
    STANDING,
    OutboxChannel,
    keep_handshake,
    open_exchange,
    prove,
    register,
    serve_into,
    take_note,
    with_news,
)
from bridge.mcp.wires.stream_reader import COME_BACK, StreamReader, new_reading, prime
from bridge.models import Message, new_call_id
from bridge.store.outbox import FRAME_ID
from bridge.store.sessions import Owed, Session, new_session_id

WIRE = "streamable-http"
SESSION_HEADER = "mcp-session-id"
START = "0-0"
"""The place before a stream's first frame."""

PLACE = re.compile(rf"([\w-]{{1,64}})/({FRAME_ID})", re.ASCII)

STREAM_GONE = (
    "Last-Event-ID is of no stream that this session still has; what calls have brought stays "
    "with them: list_calls and read_call find it"
)
"""Not 404, which would end the session; and no stream, which could never say anything."""


async def serve(
    request: Request, message: Message, endpoint: McpEndpoint, caller: Caller
) -> ASGIApp:
    """Answer one message of these wires."""
    if message.get("method") == "initialize" and "id" in message:
        return await _initialize(request, message, endpoint, caller)
    session = await _session(request, caller)
    if isinstance(session, Response):
        return session
    await prove(caller.runtime, session)
    if "id" not in message or "method" not in message:
        await take_note(caller.runtime, session, message)
        return Response(status_code=202)
    if message["method"] not in OWED:
        return await _answer_at_once(request, message, endpoint, caller, session)
    stream = secrets.token_urlsafe(9)
    if not await register(caller, session, stream, message):
        return _refuse(409, "a request of this id is being served already")
    response = await _stream(request, endpoint, caller, session, stream, START)
    request.app.state.tasks.start(serve_into(request, message, endpoint, caller, session, stream))
    return response


async def serve_batch(
    request: Request, messages: Sequence[Message], endpoint: McpEndpoint, caller: Caller
) -> ASGIApp:
    """Answer a batch, which only 2025-03-26 has: all its answers on one stream."""
    session = await _session(request, caller)
    if isinstance(session, Response):
        return session
    if session.version != BATCHES_UNTIL:
        return _refuse(400, f"batches ended with protocol version {BATCHES_UNTIL}")
    await prove(caller.runtime, session)
    stream = secrets.token_urlsafe(9)
    served: list[tuple[Message, Caller]] = []
    for message in messages:
        heir = replace(caller, call_id=new_call_id())
        if "id" not in message or "method" not in message:
            await take_note(caller.runtime, session, message)
        elif await register(heir, session, stream, message):
            served.append((message, heir))
    if not served:
        return Response(status_code=202)
    response = await _stream(request, endpoint, caller, session, stream, START)
    for message, heir in served:
        work = serve_into(request, message, endpoint, heir, session, stream)
        request.app.state.tasks.start(work)
    return response


async def listen(request: Request, endpoint: McpEndpoint, caller: Caller) -> ASGIApp:
    """Open the stream for what belongs to no request, or resume any stream where it broke off."""
    if not accepts(request, EVENTS):
        return _refuse(406, "Accept must name text/event-stream")
    session = await _session(request, caller)
    if isinstance(session, Response):
        return session
    last_event_id = request.headers.get("last-event-id")
    if not last_event_id:
        request.app.state.streams.demand_room()
        return await _stream(request, endpoint, caller, session, STANDING, "")
    place = PLACE.fullmatch(last_event_id)
    if place is None:
        return _refuse(400, "Last-Event-ID is no id of an event of this session")
    stream, after = place.groups()
    if stream != STANDING and not await caller.runtime.streams.is_kept(session.session_id, stream):
        return _refuse(400, STREAM_GONE)
    return await _stream(request, endpoint, caller, session, stream, after)


async def end(request: Request, caller: Caller) -> Response:
    """End a session at its client's wish, which proves what it was given before."""
    session = await _session(request, caller)
    if isinstance(session, Response):
        return session
    await prove(caller.runtime, session)
    await caller.runtime.sessions.end(session.session_id)
    return Response(status_code=200)


async def _initialize(
    request: Request, message: Message, endpoint: McpEndpoint, caller: Caller
) -> Response:
    session = Session(new_session_id(), caller.principal, WIRE, client="")
    line = OutboxChannel(caller.runtime, session.session_id, STANDING)
    exchange, connection = open_exchange(request, message, session, line)
    reply = (await answer(endpoint.mcp, exchange, connection, caller)).message
    settled = await keep_handshake(caller.runtime, session, message, reply, connection)
    headers = {SESSION_HEADER: settled.session_id} if settled.version else {}
    return JSONResponse(reply, headers=headers)


async def _answer_at_once(
    request: Request, message: Message, endpoint: McpEndpoint, caller: Caller, session: Session
) -> Response:
    line = OutboxChannel(caller.runtime, session.session_id, STANDING)
    exchange, connection = open_exchange(request, message, session, line)
    hearing = SessionSubscriptions(caller.runtime, caller.server, session.session_id)
    served = replace(caller, hearing=hearing)
    return JSONResponse((await answer(endpoint.mcp, exchange, connection, served)).message)


async def _session(request: Request, caller: Caller) -> Session | Response:
    session_id = request.headers.get(SESSION_HEADER)
    if not session_id:
        return _refuse(400, "the Mcp-Session-Id header is missing: send initialize first")
    version = request.headers.get("mcp-protocol-version")
    if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
        return _refuse(400, f"unsupported MCP-Protocol-Version: {show(version)}")
    session = await caller.runtime.sessions.read(session_id, caller.principal, WIRE)
    if session is None:
        return _refuse(404, "Session not found")
    return session


def _refuse(status: int, sentence: str) -> Response:
    return JSONResponse(error_message(None, INVALID_REQUEST, sentence), status)


async def _stream(
    request: Request,
    endpoint: McpEndpoint,
    caller: Caller,
    session: Session,
    stream: str,
    after: str,
) -> EventStream:
    """Become the reader of a stream; what is owed on it is served here from now.

    An empty `after` stands for the place behind what has surely arrived.
    """
    runtime = caller.runtime
    reading = new_reading(session.session_id, stream)
    sure = await runtime.streams.attach(reading)

    def take_over(owed: Owed) -> None:
        heir = replace(caller, call_id=owed.call_id)
        work = serve_into(request, owed.message, endpoint, heir, session, stream)
        request.app.state.tasks.start(work)

    reader = StreamReader(
        runtime,
        reading,
        lambda frame_id: f"{stream}/{frame_id}",
        take_over,
        AckConnection.of(request),
        request.app.state.http_acks,
    )
    frames = _frames(reader, session, after or sure or START)
    if stream == STANDING:
        frames = with_news(frames, caller, endpoint, session.session_id)
    named = {SESSION_HEADER: session.session_id}
    streams, token = request.app.state.streams, caller.token
    return EventStream(frames, streams, named, farewell=COME_BACK, token=token)


async def _frames(
    reader: StreamReader, session: Session, after: str
) -> AsyncGenerator[bytes, None]:
    async with aclosing(reader.frames(after)) as frames:
        if session.version >= RESUMABLE_SINCE:
            yield prime(reader.format_id(after))
        async for chunk in frames:
            yield chunk
