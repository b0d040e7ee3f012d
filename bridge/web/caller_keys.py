"""The keys by which n8n verifies who asks."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import NotFoundError
from bridge.web.middleware import state_of

KEPT_S = 300
"""How long others may keep the published set."""


async def show_keys(request: Request) -> Response:
    """Return the public keys as a JWK Set (RFC 7517).

    Raises:
        NotFoundError: no server file has anybody told who asks.
    """
    runtime = state_of(request).runtime
    servers = runtime.servers.values()
    if not any(each.caller for server in servers for each in server.webhooks):
        raise NotFoundError("no workflow is told who asks: a server file says `caller: true`")
    keys = await runtime.callers.published()
    return JSONResponse(keys, headers={"Cache-Control": f"public, max-age={KEPT_S}"})
