"""HTTP+SSE of 2024-11-05: a standing stream for everything out, an address for everything in.

A session outlives its stream. On purpose, for clients that say nothing of the session they had
(Claude Code sends no Last-Event-ID, but does send MCP-Protocol-Version when it comes back):

1. A stream opened with neither header is always a new session.
2. Last-Event-ID names the session and the place; it decides.
3. With MCP-Protocol-Version alone, the stream goes on with the one session of this principal and
   client name that lived lately. Where there are several, it goes on with none: it is a new one,
   ready without a handshake, and nothing of another client is ever told on it.

Source: MCP 2024-11-05, "HTTP with SSE".
"""

import hashlib
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from urllib.parse import urlsplit

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from bridge.errors import NotFoundError
from bridge.mcp.entry import authenticate
from bridge.mcp.exchange import Caller
from bridge.mcp.http_acks import AckConnection
from bridge.mcp.wires.client_info import kept_name
from bridge.mcp.wires.event_stream import EventStream, event
from bridge.mcp.wires.outbox_stream import (
    OWED,
    STANDING,
    prove,
    register,
    serve_into,
    take_note,
    with_news,
)
from bridge.mcp.wires.stream_reader import COME_BACK, STANDING_RETRY_MS, StreamReader, new_reading
from bridge.mcp.wires.streamable import read_message
from bridge.store.outbox import FRAME_ID
from bridge.store.sessions import Owed, Session, new_session_id

WIRE = "sse"
PLACE = re.compile(rf"([\w-]{{1,64}})/({FRAME_ID})", re.ASCII)


async def get(request: Request) -> ASGIApp:
    """Open a session's stream: a new one's, or the one that broke off."""
    endpoint, caller = await authenticate(request)
    request.app.state.streams.demand_room()
    client = kept_name(
        request.path_params.get("client") or request.headers.get("x-bridge-client", "")
    )
    session, after = await _find(request, caller, client)
    if session is None:
        session = Session(new_session_id(), caller.principal, WIRE, client, _version(request))
        await caller.runtime.sessions.write(session)
    reading = new_reading(session.session_id, STANDING, _name(caller, client))
    sure = await caller.runtime.streams.attach(reading)
    found = session

    def take_over(owed: Owed) -> None:
        heir = replace(caller, call_id=owed.call_id)
        work = serve_into(request, owed.message, endpoint, heir, found, STANDING)
        request.app.state.tasks.start(work)

    reader = StreamReader(
        caller.runtime,
        reading,
        lambda frame: f"{found.session_id}/{frame}",
        take_over,
        AckConnection.of(request),
        request.app.state.http_acks,
    )
    prefix = urlsplit(caller.runtime.settings.public_url or "").path
    address = f"{prefix}/sse/{caller.server.name}/messages?session_id={session.session_id}"
    frames = _frames(reader, address, after or sure)
    frames = with_news(frames, caller, endpoint, session.session_id)
    streams, token = request.app.state.streams, caller.token
    return EventStream(frames, streams, farewell=COME_BACK, token=token)


async def post(request: Request) -> Response:
    """Take a message; its answer goes out on the session's stream."""
    endpoint, caller = await authenticate(request)
    message = await read_message(request, caller.runtime.settings.max_body_bytes)
    if isinstance(message, Response):
        return message
    session_id = request.query_params.get("session_id", "")
    session = await caller.runtime.sessions.read(session_id, caller.principal, WIRE)
    if session is None:
        raise NotFoundError("no such session; open /sse again")
    await prove(caller.runtime, session)
    if "id" not in message or "method" not in message:
        await take_note(caller.runtime, session, message)
    elif message["method"] not in OWED or await register(caller, session, STANDING, message):
        request.app.state.tasks.start(
            serve_into(request, message, endpoint, caller, session, STANDING)
        )
    return Response("Accepted", 202)


async def _find(request: Request, caller: Caller, client: str) -> tuple[Session | None, str]:
    """Find the session that a stream goes on with, and the place that its client names."""
    sessions = caller.runtime.sessions
    last_event_id = request.headers.get("last-event-id", "")
    if place := PLACE.fullmatch(last_event_id):
        return await sessions.read(place[1], caller.principal, WIRE), place[2]
    if last_event_id:
        return None, ""
    if "mcp-protocol-version" not in request.headers:
        return None, ""
    recent = await caller.runtime.streams.recent(_name(caller, client))
    if len(recent) != 1:
        return None, ""
    return await sessions.read(recent[0], caller.principal, WIRE), ""


def _name(caller: Caller, client: str) -> str:
    """Digest who a stream belongs to: the principal and the name that its client goes by."""
    who = (caller.principal.server, caller.principal.name, client)
    return hashlib.sha256(json.dumps(who).encode()).hexdigest()


def _version(request: Request) -> str:
    """Take the version that a client says was settled before; empty for a first connection."""
    version = request.headers.get("mcp-protocol-version", "")
    return version if version in HANDSHAKE_PROTOCOL_VERSIONS else ""


async def _frames(reader: StreamReader, address: str, after: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(reader.frames(after)) as frames:
        yield event(address, name="endpoint", retry_ms=STANDING_RETRY_MS)
        async for chunk in frames:
            yield chunk
