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
from urllib.parse import urlsplit

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from bridge.errors import NotFoundError
from bridge.mcp.http_acks import AckedAnswer
from bridge.mcp.requests import authenticate
from bridge.mcp.tools import Caller
from bridge.mcp.wires.client_info import kept_name
from bridge.mcp.wires.event_stream import EventStream, event
from bridge.mcp.wires.outbox_stream import OWED, open_reader, put_on_record, serve_into
from bridge.mcp.wires.stream_reader import COME_BACK, PLACE, STANDING_RETRY_MS
from bridge.mcp.wires.streamable import drop_body, read_message
from bridge.models import Session
from bridge.verbs.acks import ack_of_accepted
from bridge.verbs.sessions import STANDING

WIRE = "sse"


async def get(http: Request) -> ASGIApp:
    """Open a session's stream: a new one's, or the one that broke off."""
    request = await authenticate(http)
    request.state.streams.demand_room()
    caller, runtime = request.caller, request.caller.runtime
    await drop_body(request)
    client = kept_name(http.path_params.get("client") or http.headers.get("x-bridge-client", ""))
    session, after = await _find(http, caller, client)
    if session is None:
        session = runtime.sessions.begin(caller.principal, WIRE, client, _version(http))
        await runtime.sessions.settle(session)
    session_id, name = session.session_id, _name(caller, client)
    reader = open_reader(request, session, STANDING, name, session_id)
    sure = await reader.reading.attach()
    prefix = urlsplit(runtime.settings.public_url or "").path
    address = f"{prefix}/sse/{caller.server.name}/messages?session_id={session_id}"
    opening = event(address, name="endpoint", retry_ms=STANDING_RETRY_MS)
    frames = reader.frames(after or sure, opening)
    return EventStream(frames, request.state.streams, farewell=COME_BACK, token=request.token)


async def post(http: Request) -> ASGIApp:
    """Take a message; its answer goes out on the session's stream."""
    request = await authenticate(http)
    caller, runtime = request.caller, request.caller.runtime
    message = await read_message(http, runtime.settings.max_body_bytes)
    if isinstance(message, Response):
        return message
    sessions = runtime.sessions
    session_id = http.query_params.get("session_id", "")
    session = await sessions.find(session_id, caller.principal, WIRE)
    if session is None:
        raise NotFoundError("no such session; open /sse again")
    standing = sessions.stream(session_id, STANDING)
    if "id" not in message or "method" not in message:
        await sessions.take_note(session, message)
        return Response(status_code=202)
    await sessions.prove(session)
    is_owed = message["method"] in OWED
    if is_owed and not await put_on_record(request, message, standing):
        return Response(status_code=202)
    request.state.tasks.start(serve_into(request, message, session, STANDING))
    http_ack = request.hand_over(ack_of_accepted(caller.call_id)) if is_owed else None
    accepted = Response(status_code=202)
    return AckedAnswer(accepted, http_ack) if http_ack else accepted


async def _find(request: Request, caller: Caller, client: str) -> tuple[Session | None, str]:
    """Find the session that a stream goes on with, and the place that its client names."""
    sessions = caller.runtime.sessions
    last_event_id = request.headers.get("last-event-id", "")
    if place := PLACE.fullmatch(last_event_id):
        return await sessions.find(place[1], caller.principal, WIRE), place[2]
    if last_event_id or "mcp-protocol-version" not in request.headers:
        return None, ""
    return await sessions.find_recent(_name(caller, client), caller.principal, WIRE), ""


def _name(caller: Caller, client: str) -> str:
    """Digest who a stream belongs to: the principal and the name that its client goes by."""
    who = (caller.principal.server, caller.principal.name, client)
    return hashlib.sha256(json.dumps(who).encode()).hexdigest()


def _version(request: Request) -> str:
    """Take the version that a client says was settled before; empty for a first connection."""
    version = request.headers.get("mcp-protocol-version", "")
    return version if version in HANDSHAKE_PROTOCOL_VERSIONS else ""
