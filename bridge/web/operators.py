"""Doors that only operators may open: with a token, or from this machine while none is set."""

import hmac

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.audit import OPERATOR, record
from bridge.auth import bearer
from bridge.connection import is_proxied
from bridge.errors import NotFoundError, UnauthorizedError
from bridge.runtime import Runtime
from bridge.web.guard import LOOPBACK


def demand_token(request: Request, token: SecretStr | None, setting: str) -> None:
    """Let pass whoever has the token that `setting` holds; without one only this machine.

    Raises:
        UnauthorizedError: no token, or a wrong one.
        NotFoundError: off loopback while the setting is not set.
    """
    if token is None:
        ends = {request.client.host if request.client else "localhost", request.url.hostname}
        if is_proxied(request.headers) or not ends <= LOOPBACK:
            raise NotFoundError(f"nothing here: {setting} is not set")
        return
    given = bearer(request.headers.get("authorization"))
    if not hmac.compare_digest(given.encode(), token.get_secret_value().encode()):
        raise UnauthorizedError(f"the token of {setting} is needed", is_guess=bool(given))


async def redrive_event(request: Request) -> Response:
    """POST /events/{event_id}/redrive: put back an event, or a reply, that was set aside."""
    runtime: Runtime = request.app.state.runtime
    demand_token(request, runtime.settings.operator_token, "BRIDGE_OPERATOR_TOKEN")
    event_id = request.path_params["event_id"]
    status, reply_status = await runtime.operators.redrive(event_id)
    record(OPERATOR, "events redrive", event_id, "done")
    return JSONResponse({"event_id": event_id, "status": status, "reply": {"status": reply_status}})
