"""The stream of `n8n-bridge watch`: each event that waits, told to one watcher at a time.

It is no wire of MCP, whose streams tell every listener of everything; clients, tokens and scopes
are the same.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.types import ASGIApp

from bridge.auth.authentication import Scope
from bridge.configuration.servers import Server
from bridge.errors import ForbiddenError, NotFoundError
from bridge.formats.json_text import show
from bridge.mcp.event_pushes import summary
from bridge.mcp.requests import McpRequest, authenticate
from bridge.mcp.wires.event_stream import EventStream, event, keepalive
from bridge.mcp.wires.stream_reader import COME_BACK

LOOKS_ONLY = "this token may only look, and so take nothing that it is told of"


async def get(http: Request) -> ASGIApp:
    """Open a stream of what waits on a server's hooks, or on `hook` alone.

    Raises:
        NotFoundError: there is no such hook, or none at all.
        ForbiddenError: who looks only could take none of it.
        TransientError: this process, or the principal in it, holds as many streams as it may.
    """
    request = await authenticate(http)
    caller, state = request.caller, request.state
    watched = _watched(caller.server, http.query_params.get("hook"))
    if not caller.scope.acts:
        raise ForbiddenError(LOOKS_ONLY, 'Bearer error="insufficient_scope"')
    state.streams.demand_room()
    state.watchers.demand_room(str(caller.principal))
    frames = _told(request, watched)
    return EventStream(frames, state.streams, farewell=COME_BACK, token=request.token)


def _watched(server: Server, hook: str | None) -> Server:
    """Return the server with the hooks that are watched, and no others."""
    if not server.hooks:
        raise NotFoundError("this server has no hooks, so nothing ever waits here")
    if hook is None:
        return server
    if hook not in server.hooks:
        raise NotFoundError(f"no hook {show(hook)} here; there are: {', '.join(server.hooks)}")
    return Scope(hooks=frozenset({hook})).view(server)


async def _told(request: McpRequest, watched: Server) -> AsyncGenerator[bytes, None]:
    """Yield what waits and signs of life, until the server's file is another."""
    runtime, state = request.caller.runtime, request.state
    pushed = runtime.pushes.events(watched, runtime.keepalives.name())
    with state.watchers.counting(str(request.caller.principal)):
        async with aclosing(pushed) as events:
            yield keepalive()
            async for each in events:
                yield event(summary(each)) if each else keepalive()
                if state.endpoints.get(watched.name) is not request.endpoint:
                    return
