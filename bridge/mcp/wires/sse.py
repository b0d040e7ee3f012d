"""HTTP+SSE of 2024-11-05: a standing stream for everything out, an address for everything in.

Source: MCP 2024-11-05, "HTTP with SSE".
"""

from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from bridge.errors import NotFoundError
from bridge.mcp.entry import enter
from bridge.mcp.wires.event_stream import EventStream, event
from bridge.mcp.wires.notes import take_note
from bridge.mcp.wires.outbox_stream import STANDING, read_frames, serve_into
from bridge.mcp.wires.streamable import read_message
from bridge.runtime import Runtime
from bridge.store.sessions import Session, new_session_id

WIRE = "sse"
RETRY_MS = 1000


async def get(request: Request) -> ASGIApp:
    """Open a session and its stream."""
    _, caller = enter(request)
    client = request.path_params.get("client") or request.headers.get("x-bridge-client", "")
    session = Session(new_session_id(), caller.principal, WIRE, client)
    await caller.runtime.sessions.write(session)
    address = f"/sse/{caller.server.name}/messages?session_id={session.session_id}"
    return EventStream(_frames(caller.runtime, session, address), request.app.state.streams)


async def post(request: Request) -> Response:
    """Take a message; its answer goes out on the session's stream."""
    door, caller = enter(request)
    message = await read_message(request, caller.runtime.settings.max_body_bytes)
    if isinstance(message, Response):
        return message
    session_id = request.query_params.get("session_id", "")
    session = await caller.runtime.sessions.read(session_id, caller.principal, WIRE)
    if session is None:
        raise NotFoundError("no such session; open /sse again")
    if "id" in message and "method" in message:
        request.app.state.tasks.start(serve_into(request, message, door, caller, session, STANDING))
    else:
        await take_note(caller.runtime, session, message)
    return Response("Accepted", 202)


async def _frames(runtime: Runtime, session: Session, address: str) -> AsyncGenerator[bytes, None]:
    yield event(address, name="endpoint", retry_ms=RETRY_MS)
    async for chunk in read_frames(runtime, session.session_id, STANDING):
        yield chunk
