"""Health: alive, ready, and the numbers."""

import asyncio
import hmac

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.auth import bearer
from bridge.errors import NotFoundError, TransientError, UnauthorizedError
from bridge.runtime import Runtime
from bridge.web.guard import LOOPBACK
from bridge.web.metrics import registry_of

ANSWER_S = 2.0


async def show_alive(_request: Request) -> Response:
    """Say that the process answers."""
    return JSONResponse({"status": "alive"})


async def show_ready(request: Request) -> Response:
    """Say whether Redis answers."""
    runtime: Runtime = request.app.state.runtime
    try:
        async with asyncio.timeout(ANSWER_S):
            await runtime.processes.beat()
    except (TransientError, TimeoutError):
        return JSONResponse({"status": "redis does not answer"}, 503, {"Retry-After": "2"})
    return JSONResponse({"status": "ready"})


async def show_metrics(request: Request) -> Response:
    """Give the bridge's numbers in Prometheus's text form; off loopback only with the token.

    Raises:
        UnauthorizedError: a wrong token.
        NotFoundError: off loopback while BRIDGE_METRICS_TOKEN is not set.
    """
    runtime: Runtime = request.app.state.runtime
    token = runtime.settings.metrics_token
    is_near = request.client is None or {request.client.host, request.url.hostname} <= LOOPBACK
    if token is None and not is_near:
        raise NotFoundError("no metrics here: BRIDGE_METRICS_TOKEN is not set")
    given = bearer(request.headers.get("authorization"))
    if token is not None and not hmac.compare_digest(
        given.encode(), token.get_secret_value().encode()
    ):
        raise UnauthorizedError("the metrics token is needed")
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    hooks = [(server.name, hook) for server in runtime.servers.values() for hook in server.hooks]
    totals = await runtime.counters.read(hooks)
    registry = registry_of(totals, len(request.app.state.streams))
    return Response(encode(registry), media_type=content_type)
