"""/approvals: the calls that somebody must agree to, and approving and refusing them."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import InvalidError, MalformedError
from bridge.formats.json_text import decode, encode, off_loop, parse_json
from bridge.log import OPERATOR, audit
from bridge.models import Approval, Call, instant
from bridge.net.request_body import read_body
from bridge.web.events import operators_runtime

BODY = 'the body is {"digest": "…", "reason": "…"}, the digest as /approvals shows it'


async def list_approvals(request: Request) -> Response:
    """GET /approvals: the calls that wait for an approval, oldest first."""
    waiting = await operators_runtime(request).operators.approvals.waiting()
    rows = [_described(call, call.approval) for call in waiting if call.approval]
    return Response(encode({"approvals": rows}), media_type="application/json")


def _described(call: Call, approval: Approval) -> dict[str, object]:
    return {
        "call_id": call.call_id,
        "server": call.principal.server,
        "principal": call.principal.name,
        "workflow": call.workflow,
        "arguments": decode(call.arguments),
        "digest": approval.digest,
        "asks": approval.asks,
        "created_at": instant(call.created_at_ms),
        "expires_at": instant(approval.ends_at_ms),
    }


async def approve_call(request: Request) -> Response:
    """POST /calls/{call_id}/approve: let it be run."""
    runtime, call_id = operators_runtime(request), request.path_params["call_id"]
    await runtime.operators.approvals.approve(call_id, *await _said(request), OPERATOR)
    return _done(call_id, "approve", "approved")


async def refuse_call(request: Request) -> Response:
    """POST /calls/{call_id}/refuse: end it, never run."""
    runtime, call_id = operators_runtime(request), request.path_params["call_id"]
    await runtime.operators.approvals.refuse(call_id, *await _said(request), OPERATOR)
    return _done(call_id, "refuse", "refused")


async def _said(request: Request) -> tuple[str, str]:
    """Read what is decided about, and why.

    Raises:
        InvalidError, MalformedError: the body is something else.
    """
    raw = await read_body(request, operators_runtime(request).settings.max_body_bytes)
    said = await off_loop(len(raw), lambda: parse_json(raw))
    if not isinstance(said, dict) or said.keys() - {"digest", "reason"}:
        raise MalformedError(BODY)
    digest, reason = said.get("digest"), said.get("reason", "")
    if not isinstance(digest, str) or not isinstance(reason, str):
        raise InvalidError(BODY)
    return digest, reason


def _done(call_id: str, act: str, approval: str) -> Response:
    audit(OPERATOR, f"calls {act}", call_id, "done")
    return JSONResponse({"call_id": call_id, "approval": approval})
