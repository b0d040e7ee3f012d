"""/events/{event_id}: where an event and its reply stand, and what operators do to them."""

import hmac
import time

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.auth.authentication import Sender, bearer, is_proved, proof_headers
from bridge.errors import NotFoundError, UnauthorizedError, UnprovenError
from bridge.formats.json_text import decode, encode
from bridge.log import OPERATOR, audit
from bridge.models import Event, EventId, Reply, instant, paused_since
from bridge.runtime import WebRuntime
from bridge.web.middleware import is_near, state_of


async def show_event(request: Request) -> Response:
    """Describe an event to whoever may send on its hook; to others it does not exist."""
    runtime = state_of(request).runtime
    if proof_headers(runtime.servers.values()).isdisjoint(request.headers):
        raise UnauthorizedError("the hook's credential is needed", is_guess=False)
    found = await runtime.events.find_aged(EventId(request.path_params["event_id"]))
    event, elapsed_ms = found or (None, 0)
    server = runtime.servers.get(event.server) if event else None
    hook = server.hooks.get(event.hook) if server and event else None
    sender = Sender(request.headers, b"", time.time())
    if event is None or hook is None or not is_proved(hook, sender):
        raise _unknown(runtime, sender)
    return Response(
        encode(describe(event, elapsed_ms), compact=True), media_type="application/json"
    )


def _unknown(runtime: WebRuntime, sender: Sender) -> NotFoundError:
    """Report that there is no such event; who has the credential of another hook has guessed none.

    So have workflows that ask for an event which is no longer kept.
    """
    hooks = (hook for server in runtime.servers.values() for hook in server.hooks.values())
    is_guess = not any(is_proved(hook, sender) for hook in hooks)
    return UnprovenError("no such event") if is_guess else NotFoundError("no such event")


def describe(event: Event, elapsed_ms: int) -> dict[str, object]:
    """Return the public face of an event.

    The time that has passed makes each answer another one: n8n's pagination, by which workflows
    poll, gives up when it is told the same five times.
    """
    return {
        "event_id": event.event_id,
        "hook": event.hook,
        "status": event.status,
        "attempt": event.attempt,
        "received_at": instant(event.received_at_ms),
        "elapsed_ms": elapsed_ms,
        "reply": _describe_reply(event.reply),
    } | ({"paused": paused_since(event.paused_at_ms)} if event.paused_at_ms else {})


def _describe_reply(reply: Reply) -> dict[str, object]:
    return {
        "status": reply.status,
        "value": None if reply.value is None else decode(reply.value),
        "attempts": reply.attempts,
        "last_failure": reply.last_failure,
    }


def demand_token(request: Request, token: SecretStr | None, setting: str) -> None:
    """Let pass whoever has the token that `setting` holds; without one only this machine.

    Raises:
        UnauthorizedError: no token, or a wrong one.
        NotFoundError: off loopback while the setting is not set.
    """
    if token is None:
        if not is_near(request):
            raise NotFoundError(f"nothing here: {setting} is not set")
        return
    given = bearer(request.headers.get("authorization"))
    if not hmac.compare_digest(given.encode(), token.get_secret_value().encode()):
        raise UnauthorizedError(f"the token of {setting} is needed", is_guess=bool(given))


def operators_runtime(request: Request) -> WebRuntime:
    """Return what operators work with, to them alone.

    Raises:
        NotFoundError, UnauthorizedError: as `demand_token`.
    """
    runtime = state_of(request).runtime
    demand_token(request, runtime.settings.operator_token, "BRIDGE_OPERATOR_TOKEN")
    return runtime


async def redrive_event(request: Request) -> Response:
    """POST /events/{event_id}/redrive: put back an event, or a reply, that was set aside."""
    runtime, event_id = operators_runtime(request), request.path_params["event_id"]
    status, reply_status = await runtime.operators.redrive(event_id)
    audit(OPERATOR, "events redrive", event_id, "done")
    return JSONResponse({"event_id": event_id, "status": status, "reply": {"status": reply_status}})
