"""Health: alive, ready, and the numbers."""

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.n8n.reply_address import ReplyAddresses
from bridge.web.events import demand_token
from bridge.web.metrics import empty_histograms, registry_of, zeros
from bridge.web.middleware import state_of


async def show_alive(_request: Request) -> Response:
    """Report that the process answers."""
    return JSONResponse({"status": "alive"})


async def show_ready(request: Request) -> Response:
    """Report whether Redis takes what it is given, and if not, why."""
    health = state_of(request).runtime.health
    if fault := await health.fault():
        return JSONResponse({"status": "not ready", "reason": fault}, 503, {"Retry-After": "2"})
    warning = {"warning": health.warning} if health.warning else {}
    return JSONResponse({"status": "ready"} | warning)


async def show_metrics(request: Request) -> Response:
    """Return the bridge's numbers in Prometheus's text form; off loopback only with the token.

    Raises:
        UnauthorizedError: a wrong token.
        NotFoundError: off loopback while BRIDGE_METRICS_TOKEN is not set.
    """
    runtime = state_of(request).runtime
    demand_token(request, runtime.settings.metrics_token, "BRIDGE_METRICS_TOKEN")
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    servers = list(runtime.servers.values())
    hooks = [(server.name, hook) for server in servers for hook in server.hooks]
    limits = {
        (server.name, name): workflow.concurrency
        for server in servers
        for name, workflow in server.workflows.items()
    }
    totals = await runtime.health.totals(hooks, limits)
    origins = ReplyAddresses.of(runtime.settings).origins.values()
    alerts = state_of(request).alerts.now
    rules, receivers = (alerts.alerts, alerts.receivers) if alerts else ({}, {})
    known = totals.with_zeros(zeros(servers, origins, receivers), empty_histograms(servers), rules)
    registry = registry_of(known, len(state_of(request).streams), limits)
    return Response(encode(registry), media_type=content_type)
