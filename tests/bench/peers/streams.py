"""The SDK's own HTTP+SSE server, put up as its documentation shows."""

import sys

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.sse import SseServerTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route


def create() -> Starlette:
    """Make the app."""
    server = Server[None]("bench")
    transport = SseServerTransport("/messages/")

    async def stream(request: Request) -> Response:
        connecting = transport.connect_sse(request.scope, request.receive, request._send)
        async with connecting as (reads, writes):
            await server.run(reads, writes, server.create_initialization_options())
        return Response()

    return Starlette(
        routes=[
            Route("/sse/demo", stream),
            Mount("/messages/", app=transport.handle_post_message),
        ]
    )


if __name__ == "__main__":
    uvicorn.run(create(), port=int(sys.argv[1]), log_level="warning", access_log=False)
