"""Health: alive, ready, and the numbers."""

import asyncio

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import TransientError
from bridge.n8n.reply_address import ReplyAddresses
from bridge.redis_faults import SILENT
from bridge.runtime import Runtime
from bridge.web.events import demand_token
from bridge.web.metrics import registry_of, zeros

ANSWER_S = 2.0


async def show_alive(_request: Request) -> Response:
    """Report that the process answers."""
    return JSONResponse({"status": "alive"})


async def show_ready(request: Request) -> Response:
    """Report whether Redis takes what it is given, and if not, why."""
    runtime: Runtime = request.app.state.runtime
    try:
        async with asyncio.timeout(ANSWER_S):
            await runtime.processes.beat()
    except (TransientError, TimeoutError):
        fault = runtime.steps.fault or SILENT
        told = {"status": "not ready", "reason": fault.sentence}
        return JSONResponse(told, 503, {"Retry-After": "2"})
    warning = {"warning": runtime.losses.said} if runtime.losses.said else {}
    return JSONResponse({"status": "ready"} | warning)


async def show_metrics(request: Request) -> Response:
    """Return the bridge's numbers in Prometheus's text form; off loopback only with the token.

    Raises:
        UnauthorizedError: a wrong token.
        NotFoundError: off loopback while BRIDGE_METRICS_TOKEN is not set.
    """
    runtime: Runtime = request.app.state.runtime
    demand_token(request, runtime.settings.metrics_token, "BRIDGE_METRICS_TOKEN")
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    hooks = [(server.name, hook) for server in runtime.servers.values() for hook in server.hooks]
    totals = await runtime.counters.read(hooks)
    origins = ReplyAddresses.of(runtime.settings).origins.values()
    known = totals.with_zeros(zeros(runtime.servers.values(), origins))
    registry = registry_of(known, len(request.app.state.streams))
    return Response(encode(registry), media_type=content_type)
