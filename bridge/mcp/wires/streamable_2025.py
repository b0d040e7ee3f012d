"""The 2025 wires of Streamable HTTP: sessions by header, an answer as JSON or on its own stream.

An event's id is its stream and its place there, so any process can resume a stream from it.

Source: MCP 2025-11-25, "Streamable HTTP".
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from mcp_types.jsonrpc import INVALID_REQUEST
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from bridge.formats.json_text import show
from bridge.mcp.exchange import BATCHES_UNTIL, EVENTS, accepts, answer, error_message
from bridge.mcp.requests import McpRequest
from bridge.mcp.session_notifications import SessionSubscriptions
from bridge.mcp.wires.event_stream import EventStream
from bridge.mcp.wires.outbox_stream import (
    OWED,
    RESUMABLE_SINCE,
    keep_handshake,
    open_exchange,
    open_reader,
    put_on_record,
    serve_into,
)
from bridge.mcp.wires.stream_reader import COME_BACK, PLACE, prime
from bridge.models import Message, Session, new_call_id
from bridge.verbs.sessions import STANDING

WIRE = "streamable-http"
SESSION_HEADER = "mcp-session-id"
START = "0-0"
"""The place before a stream's first frame."""


STREAM_GONE = (
    "Last-Event-ID is of no stream that this session still has; what calls have brought stays "
    "with them: list_calls and read_call find it"
)
"""Not 404, which would end the session; and no stream, which could never say anything."""


async def serve(request: McpRequest, message: Message) -> ASGIApp:
    """Answer one message of these wires."""
    if message.get("method") == "initialize" and "id" in message:
        return await _initialize(request, message)
    session = await _session(request)
    if isinstance(session, Response):
        return session
    if "id" not in message or "method" not in message:
        await request.caller.runtime.sessions.take_note(session, message)
        return Response(status_code=202)
    await request.caller.runtime.sessions.prove(session)
    if message["method"] not in OWED:
        return await _answer_at_once(request, message, session)
    stream, caller = secrets.token_urlsafe(9), request.caller
    opened = caller.runtime.sessions.stream(session.session_id, stream)
    if not await put_on_record(request, message, opened):
        return _refuse(409, "a request of this id is being served already")
    response = await _stream(request, session, stream, START)
    request.state.tasks.start(serve_into(request, message, session, stream))
    return response


async def serve_batch(request: McpRequest, messages: Sequence[Message]) -> ASGIApp:
    """Answer a batch, which only 2025-03-26 has: all its answers on one stream."""
    session, sessions = await _session(request), request.caller.runtime.sessions
    if isinstance(session, Response):
        return session
    if session.version != BATCHES_UNTIL:
        return _refuse(400, f"batches ended with protocol version {BATCHES_UNTIL}")
    await sessions.prove(session)
    stream = secrets.token_urlsafe(9)
    opened = sessions.stream(session.session_id, stream)
    served: list[tuple[McpRequest, Message]] = []
    for message in messages:
        one = request.for_call(new_call_id())
        if "id" not in message or "method" not in message:
            await sessions.take_note(session, message)
        elif await put_on_record(one, message, opened):
            served.append((one, message))
    if not served:
        return Response(status_code=202)
    response = await _stream(request, session, stream, START)
    for one, message in served:
        request.state.tasks.start(serve_into(one, message, session, stream))
    return response


async def listen(request: McpRequest) -> ASGIApp:
    """Open the stream for what belongs to no request, or resume any stream where it broke off."""
    if not accepts(request.http, EVENTS):
        return _refuse(406, "Accept must name text/event-stream")
    session = await _session(request)
    if isinstance(session, Response):
        return session
    last_event_id = request.http.headers.get("last-event-id")
    if not last_event_id:
        request.state.streams.demand_room()
        return await _stream(request, session, STANDING, "")
    place = PLACE.fullmatch(last_event_id)
    if place is None:
        return _refuse(400, "Last-Event-ID is no id of an event of this session")
    stream, after = place.groups()
    resumed = request.caller.runtime.sessions.stream(session.session_id, stream)
    if stream != STANDING and not await resumed.is_kept():
        return _refuse(400, STREAM_GONE)
    return await _stream(request, session, stream, after)


async def end(request: McpRequest) -> Response:
    """End a session at its client's wish, which proves what it was given before."""
    session, sessions = await _session(request), request.caller.runtime.sessions
    if isinstance(session, Response):
        return session
    await sessions.prove(session)
    await sessions.end(session)
    return Response(status_code=200)


async def _initialize(request: McpRequest, message: Message) -> Response:
    caller = request.caller
    sessions = caller.runtime.sessions
    session = sessions.begin(caller.principal, WIRE, client="")
    standing = sessions.stream(session.session_id, STANDING)
    exchange, connection = open_exchange(request, message, session, standing)
    reply = (await answer(request.endpoint.mcp, exchange, connection, caller)).message
    settled = await keep_handshake(sessions, session, message, reply, connection)
    headers = {SESSION_HEADER: settled.session_id} if settled.version else {}
    return JSONResponse(reply, headers=headers)


async def _answer_at_once(request: McpRequest, message: Message, session: Session) -> Response:
    caller = request.caller
    runtime, session_id = caller.runtime, session.session_id
    standing = runtime.sessions.stream(session_id, STANDING)
    exchange, connection = open_exchange(request, message, session, standing)
    hearing = SessionSubscriptions(runtime.inboxes, caller.server, session_id)
    served = replace(caller, hearing=hearing)
    return JSONResponse((await answer(request.endpoint.mcp, exchange, connection, served)).message)


async def _session(request: McpRequest) -> Session | Response:
    headers, caller = request.http.headers, request.caller
    session_id = headers.get(SESSION_HEADER)
    if not session_id:
        return _refuse(400, "the Mcp-Session-Id header is missing: send initialize first")
    version = headers.get("mcp-protocol-version")
    if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
        return _refuse(400, f"unsupported MCP-Protocol-Version: {show(version)}")
    session = await caller.runtime.sessions.find(session_id, caller.principal, WIRE)
    if session is None:
        return _refuse(404, "Session not found")
    return session


def _refuse(status: int, sentence: str) -> Response:
    return JSONResponse(error_message(None, INVALID_REQUEST, sentence), status)


async def _stream(request: McpRequest, session: Session, stream: str, after: str) -> EventStream:
    """Become the reader of a stream; what is owed on it is served here from now.

    An empty `after` stands for the place behind what has surely arrived.
    """
    reader = open_reader(request, session, stream, "", stream)
    sure = await reader.reading.attach()
    start = after or sure or START
    is_resumable = session.version >= RESUMABLE_SINCE
    frames = reader.frames(start, prime(reader.event_id(start)) if is_resumable else b"")
    named = {SESSION_HEADER: session.session_id}
    streams, token = request.state.streams, request.token
    return EventStream(frames, streams, named, farewell=COME_BACK, token=token)
