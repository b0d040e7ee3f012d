"""Approvals: which calls somebody must agree to before they are run, and how that is decided."""

import hashlib
import json
import logging

from bridge.configuration.server_options import ApproveWhen, ByHook
from bridge.configuration.servers import Workflow
from bridge.errors import ConflictError, InvalidError, MalformedError, NotFoundError, TransientError
from bridge.formats.canonical import canonical
from bridge.formats.json_text import decode
from bridge.models import REASON_CHARS_MAX, Call, CallId
from bridge.schemas.checks import SchemaCache
from bridge.store.approvals import ApprovalStore
from bridge.store.calls import CallStore
from bridge.store.new_calls import NewApproval

logger = logging.getLogger(__name__)

HOOK = "hook "
"""How it is said that a hook is asked, before its name."""
LIST_MAX = 100
CONSOLE, ELICITATION = "console", "elicitation"

_REFUSALS = {
    "none": "nothing of this call must be approved",
    "changed": "this is not what the call would do: look at it again, and decide about that",
    "ended": "the call has ended",
    "late": "the time in which it could be approved is over",
    "approved": "somebody has approved it already",
    "refused": "somebody has refused it already",
    "expired": "the time in which it could be approved is over",
}


def digest_of(server: str, workflow: str, arguments: bytes) -> str:
    """Digest what somebody approves of: that this workflow is run with these arguments."""
    place = json.dumps((server, workflow)).encode()
    return hashlib.sha256(place + canonical(decode(arguments))).hexdigest()


async def to_approve(
    schemas: SchemaCache, server: str, workflow: Workflow, arguments: bytes
) -> NewApproval | None:
    """Return what must be approved before a workflow is run with these arguments, if anything.

    They come as the text that is kept of them.

    Where that cannot be found out, it must be approved.
    """
    if not await _is_due(schemas, workflow, arguments):
        return None
    digest = digest_of(server, workflow.name, arguments)
    return NewApproval(digest, asks_of(workflow), workflow.approve_within_s)


def asks_of(workflow: Workflow) -> str:
    """Return who is asked: `console`, `elicitation` or `hook NAME`."""
    by = workflow.by or CONSOLE
    return f"{HOOK}{by.hook}" if isinstance(by, ByHook) else by


async def _is_due(schemas: SchemaCache, workflow: Workflow, arguments: bytes) -> bool:
    match workflow.approve:
        case "always":
            return True
        case "destructive":
            return workflow.annotations.is_destructive
        case ApproveWhen(when=schema):
            try:
                return await schemas.fits(schema, decode(arguments))
            except (InvalidError, TransientError):
                return True
        case _:
            return False


class Approvals:
    """Decides whether calls that wait for it are run."""

    def __init__(self, store: ApprovalStore, calls: CallStore) -> None:
        self._store = store
        self._calls = calls

    async def waiting(self) -> list[Call]:
        """List calls that wait for somebody's approval, the oldest first.

        At most 100 of them, and fewer where their arguments are long; the others come once these
        are decided.
        """
        found = await self._store.waiting(LIST_MAX)
        return sorted(found, key=lambda call: call.order)

    async def approve(
        self, call_id: str, digest: str, reason: str, by: str, at_ms: int | None = None
    ) -> None:
        """Let a call be run whose approval is of what `digest` says; `at_ms`: it was said before.

        Raises:
            NotFoundError: there is no such call.
            ConflictError: it waits for no approval, or for one of something else.
        """
        kept = _read_reason(reason)
        outcome = await self._store.approve(CallId(call_id), digest, by, kept, at_ms)
        await self._demand_done(call_id, outcome)
        await self._store.settle(CallId(call_id))
        logger.info("call.approved", extra={"call_id": call_id, "by": by})

    async def refuse(
        self, call_id: str, digest: str, reason: str, by: str, at_ms: int | None = None
    ) -> None:
        """End a call that is not to be run, likewise; whoever asked for it reads the reason."""
        reason = _read_reason(reason)
        failure = f"refused by {by}{': ' if reason else ''}{reason}"
        outcome = await self._store.refuse(CallId(call_id), digest, by, reason, failure, at_ms)
        await self._demand_done(call_id, outcome)
        await self._store.settle(CallId(call_id))
        logger.info("call.refused", extra={"call_id": call_id, "by": by})

    async def _demand_done(self, call_id: str, outcome: str) -> None:
        if outcome == "unknown":
            raise NotFoundError("no such call")
        if outcome == "done":
            return
        call = await self._calls.read(CallId(call_id))
        said = _REFUSALS[outcome]
        if call and call.approval and call.approval.by:
            said = f"{call.approval.by} has {call.approval.status} it already"
        raise ConflictError(f"nothing was changed: {said}")


def _read_reason(reason: str) -> str:
    """Return a reason as it is kept.

    Raises:
        MalformedError: it is too long.
    """
    kept = reason.strip()
    if len(kept) > REASON_CHARS_MAX:
        raise MalformedError(f"a reason has at most {REASON_CHARS_MAX} characters")
    return kept
