"""The plainest durable ingest: Starlette, one XADD a request over a pool of 64 connections."""

import sys

import uvicorn
from redis.asyncio import BlockingConnectionPool, Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CONNECTIONS = 64


def create(redis_url: str) -> Starlette:
    """Make the app."""
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=CONNECTIONS)
    client = Redis(connection_pool=pool)

    async def receive(request: Request) -> Response:
        entry = await client.xadd("events", {"body": await request.body()})
        return JSONResponse({"id": str(entry)}, 202)

    return Starlette(routes=[Route("/", receive, methods=["POST"])])


if __name__ == "__main__":
    port, redis_url = sys.argv[1:]
    uvicorn.run(create(redis_url), port=int(port), log_level="warning", access_log=False)
