"""Calls that somebody must agree to: which wait, and approving and refusing them."""

from starlette.responses import Response

from bridge.console.visits import Visit
from bridge.formats.payloads import summarize
from bridge.log import audit


async def show_approvals(visit: Visit) -> Response:
    """List the calls that wait for somebody's approval, oldest first."""
    waiting = await visit.runtime.operators.approvals.waiting()
    sees = visit.login.sees_payloads
    summaries = {call.call_id: summarize(call.arguments) if sees else "" for call in waiting}
    return visit.page("approvals.html", waiting=waiting, summaries=summaries)


async def approve_call(visit: Visit) -> Response:
    """Let a call be run that does what the form has shown."""
    await visit.runtime.operators.approvals.approve(*_said(visit), visit.login.who)
    return _done(visit, "approve")


async def refuse_call(visit: Visit) -> Response:
    """End a call that is not to be run."""
    await visit.runtime.operators.approvals.refuse(*_said(visit), visit.login.who)
    return _done(visit, "refuse")


def _said(visit: Visit) -> tuple[str, str, str]:
    """Return the call, what of it was shown, and the reason."""
    call_id = visit.request.path_params["call_id"]
    return call_id, visit.form.get("digest", ""), visit.form.get("reason", "")


def _done(visit: Visit, act: str) -> Response:
    call_id = visit.request.path_params["call_id"]
    audit(visit.login.who, f"console calls {act}", call_id, "done")
    return visit.back_to(f"/calls/{call_id}")
