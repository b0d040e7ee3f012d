"""What Claude and its user are told and asked of a call that somebody must approve."""

from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError

from bridge.errors import ConflictError, MalformedError
from bridge.formats.json_text import decode, spell
from bridge.formats.long_json import page
from bridge.formats.visible import visible
from bridge.log import audit
from bridge.mcp.tools import Caller, Schema
from bridge.models import Approval, Call, second
from bridge.verbs.approvals import ELICITATION, HOOK

OPERATOR = "an operator of the bridge"
FORM: Schema = {
    "type": "object",
    "properties": {
        "approve": {"type": "boolean", "title": "Run it", "description": "Shall it be run?"},
        "reason": {"type": "string", "title": "Why, or why not"},
    },
    "required": ["approve"],
}


def waits_for(approval: Approval, *, is_task: bool = False) -> str:
    """Return the words for whose approval a call waits for, and until when."""
    whom = OPERATOR
    if approval.asks == ELICITATION:
        whom = "your user" if is_task else f"{OPERATOR}, for this client does not ask its user"
    elif approval.asks.startswith(HOOK):
        whom = f"whoever answers on the hook {approval.asks.removeprefix(HOOK)}, or of {OPERATOR}"
    return f"waits for the approval of {whom}, until {second(approval.ends_at_ms)}"


def asks_user(call: Call) -> bool:
    """Report whether a call waits for its client's user to approve of it."""
    return call.unapproved is not None and call.unapproved.asks == ELICITATION


def approval_key(call: Call) -> str:
    """Return how a task's client names its user's answer: by what it is about."""
    return f"approval-{call.approval.digest}" if call.approval else ""


def approval_request(call: Call, caller: Caller) -> dict[str, Any]:
    """Ask a task's user whether it may be run, in a form for elicitation."""
    if call.unapproved is None or not asks_user(call):
        return {}
    shown = page(spell(decode(call.arguments)), 0, caller.runtime.settings.result_chars)
    more = "" if shown.next_offset is None else "\n(They go on: operators see all of them.)"
    seen = visible(shown.text)
    message = f"May {call.workflow} be run with these arguments?\n{seen}{more}"
    params = types.ElicitRequestFormParams(message=message, requested_schema=FORM)
    request = types.ElicitRequest(params=params)
    asked = request.model_dump(by_alias=True, mode="json", exclude_none=True)
    return {approval_key(call): asked}


async def take_verdict(caller: Caller, call: Call, response: object) -> None:
    """Approve of a call, or refuse it, as its client's user did, where that one is asked.

    Once it is decided it stays so.

    Raises:
        MCPError: the answer is none to what was asked; the call waits on.
    """
    approvals, approval = caller.runtime.operating.operators.approvals, call.unapproved
    if approval is None or not asks_user(call):
        return
    by = f"{caller.principal.name}, asked by their client"
    try:
        match response:
            case {"action": "accept", "content": {"approve": True, **more}}:
                await approvals.approve(call.call_id, approval.digest, _reason(more), by)
                outcome = "approved"
            case {"action": "accept", "content": {"approve": False, **more}}:
                await approvals.refuse(call.call_id, approval.digest, _reason(more), by)
                outcome = "refused"
            case {"action": "decline"}:
                await approvals.refuse(call.call_id, approval.digest, "declined", by)
                outcome = "refused"
            case {"action": "cancel"}:
                return
            case _:
                raise MCPError(types.INVALID_PARAMS, "the answer says neither yes nor no")
    except ConflictError:
        return
    except MalformedError as error:
        raise MCPError(types.INVALID_PARAMS, str(error)) from error
    audit(str(caller.principal), "tasks/update", call.call_id, outcome)


def _reason(more: dict[Any, Any]) -> str:
    reason = more.get("reason")
    return reason if isinstance(reason, str) else ""
