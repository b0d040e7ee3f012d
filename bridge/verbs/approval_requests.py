"""Approval requests: events by which hooks are asked for approvals, and whatever is over in time.

All of it is done by whoever sweeps, from what is on record: a process may die between any two
steps, and the next one asks no second time and takes the reply that is there.
"""

import logging

from bridge.configuration.current import Servers
from bridge.errors import ConflictError, InvalidError, RejectedError
from bridge.formats.json_text import decode
from bridge.formats.payloads import Content
from bridge.models import Approval, Call, CallId, EventId, EventStatus, Json, second
from bridge.store.approvals import AnswerRow, ApprovalStore
from bridge.store.calls import CallStore
from bridge.verbs.approvals import HOOK, WITHIN_S, Approvals
from bridge.verbs.intake import Incoming, Intake

logger = logging.getLogger(__name__)

LAPSED = f"nobody approved it within {WITHIN_S / 3600:g} hours, so it was never sent"
QUESTION = (
    'May this workflow be run with these arguments? Reply {{"approved": true}}, or '
    '{{"approved": false, "reason": "why not"}}. {principal}, who asks for it, cannot answer.'
)
NO_VERDICT = "the reply does not say `approved: true`"


class ApprovalRequests:
    """Looks after the calls that wait for somebody's approval."""

    def __init__(
        self, store: ApprovalStore, calls: CallStore, servers: Servers, intake: Intake
    ) -> None:
        self._store = store
        self._calls = calls
        self._servers = servers
        self._intake = intake
        self._approvals = Approvals(store, calls)

    async def look_after(self, limit: int, again_s: float) -> None:
        """End the calls whose time is over, and ask hooks, or take what they have replied."""
        for due in await self._store.due(limit, again_s):
            if due.is_over:
                await self._lapse(due.call_id, LAPSED)
                continue
            call = await self._calls.read(due.call_id)
            if call and call.unapproved:
                await self._look(call, call.unapproved, due.event_id)

    async def _look(self, call: Call, approval: Approval, asked: EventId | None) -> None:
        hook = approval.asks.removeprefix(HOOK)
        event_id = asked or await self._ask(call, approval, hook)
        answer = await self._store.asked(call.call_id, event_id or EventId(""))
        match answer.status:
            case _ if not event_id:
                return
            case EventStatus.QUEUED | EventStatus.LEASED | "delayed":
                return
            case EventStatus.ANSWERED if answer.leased_by == call.principal.name:
                # A step of an earlier version has taken it.
                await self._lapse(call.call_id, f"nobody approved it but {answer.leased_by}")
            case EventStatus.ANSWERED:
                await self._decide(call.call_id, approval, answer)
            case EventStatus.EXPIRED:
                await self._lapse(call.call_id, f"nobody approved it: {hook} has not replied")
            case _:
                why = f": {answer.reason}" if answer.reason else ""
                said = f"nobody approved it: the question on {hook} was set aside{why}"
                await self._lapse(call.call_id, said)

    async def _ask(self, call: Call, approval: Approval, name: str) -> EventId | None:
        """Put the question on record, once; None where the hook does not take it."""
        server = self._servers.get(call.principal.server)
        hook = server.hooks.get(name) if server else None
        content = Content.of_json(_question(call, approval))
        incoming = Incoming(
            content, idempotency_key=f"approval of {call.call_id}", call_id=call.call_id
        )
        try:
            if server and hook:
                return (await self._intake.ask(server, hook, incoming)).event_id
            why = "no server file has this hook"
        except RejectedError as error:
            why = str(error)
        logger.warning(
            "approval.unasked",
            extra={
                "call_id": call.call_id,
                "server": call.principal.server,
                "hook": name,
                "warning": f"{why}; operators may approve the call all the same",
            },
        )
        return None

    async def _decide(self, call_id: CallId, approval: Approval, answer: AnswerRow) -> None:
        reply: Json = decode(answer.reply or b"null")
        said = reply if isinstance(reply, dict) else {}
        is_approved, reason = said.get("approved") is True, said.get("reason")
        is_verdict = isinstance(said.get("approved"), bool)
        why = reason if isinstance(reason, str) else "" if is_verdict else NO_VERDICT
        decide = self._approvals.approve if is_approved else self._approvals.refuse
        try:
            await decide(call_id, approval.digest, why, answer.leased_by or "somebody")
        except (ConflictError, InvalidError):
            return  # it was decided elsewhere meanwhile

    async def _lapse(self, call_id: CallId, failure: str) -> None:
        if await self._store.lapse(call_id, failure):
            logger.info("call.lapsed", extra={"call_id": call_id, "reason": failure})


def _question(call: Call, approval: Approval) -> dict[str, Json]:
    return {
        "question": QUESTION.format(principal=call.principal.name),
        "workflow": call.workflow,
        "arguments": decode(call.arguments),
        "asked_by": call.principal.name,
        "call_id": call.call_id,
        "digest": approval.digest,
        "until": second(approval.ends_at_ms),
    }
