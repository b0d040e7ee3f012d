"""How providers ask whether they may send to a hook: answered as plain text, and never an event."""

import logging
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from bridge.errors import UnauthorizedError
from bridge.forms import read_urlencoded
from bridge.hook_options import MetaHandshake
from bridge.models import Json
from bridge.servers import Hook
from bridge.signatures import is_same

logger = logging.getLogger(__name__)

SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""What is said back is the asker's own: no browser may take it for a page."""


def answer_graph(hook: Hook, request: Request) -> Response | None:
    """Say Microsoft Graph's token back, for which it brings no credential; None if it is not asked.

    It asks without a body; what brings one is an event, whatever its query says.

    Source: Microsoft Graph, "Receive change notifications through webhooks", validation.
    """
    headers = request.headers
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if hook.handshake != "graph" or has_body:
        return None
    token = _asked(request).get("validationToken")
    return _said_back(hook, token) if isinstance(token, str) and token else None


def answer_slack(hook: Hook, payload: Json) -> Response | None:
    """Say Slack's challenge back, which it signs like any event; None if the payload is one.

    Source: Slack, "url_verification event".
    """
    if hook.handshake != "slack" or not isinstance(payload, dict):
        return None
    challenge = payload.get("challenge")
    is_asked = payload.get("type") == "url_verification" and isinstance(challenge, str)
    return _said_back(hook, str(challenge)) if is_asked else None


def answer_meta(hook: Hook, handshake: MetaHandshake, request: Request) -> Response:
    """Say Meta's challenge back to who knows the verify token.

    Raises:
        UnauthorizedError: this is not how Meta asks, or the token is wrong.

    Source: Meta, "Graph API: Webhooks: Getting started", verification requests.
    """
    asked = _asked(request)
    mode, token, challenge = (
        str(asked.get(f"hub.{name}", "")) for name in ("mode", "verify_token", "challenge")
    )
    is_right = is_same(token, handshake.token.get_secret_value())
    if mode != "subscribe" or not challenge or not is_right:
        raise UnauthorizedError(
            "hub.mode must be subscribe, hub.verify_token this hook's, and hub.challenge be there",
            "Verify",
            is_guess=bool(token),
        )
    return _said_back(hook, challenge)


def _asked(request: Request) -> dict[str, Json]:
    return read_urlencoded(request.scope["query_string"])


def _said_back(hook: Hook, text: str) -> Response:
    logger.info("hook.handshake", extra={"hook": hook.name})
    return Response(text, HTTPStatus.OK, SAFE, media_type="text/plain")
