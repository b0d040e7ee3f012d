"""Approval requests: events by which hooks are asked for approvals, and whatever is over in time.

All of it is done by whoever sweeps, from what is on record: a process may die between any two
steps, and the next one asks no second time and takes the reply that is there.
"""

import logging
from dataclasses import replace

from bridge.configuration.current import Servers
from bridge.errors import ConflictError, RejectedError
from bridge.formats.json_text import decode
from bridge.formats.payloads import Content
from bridge.models import (
    REASON_CHARS_MAX,
    Approval,
    Call,
    CallId,
    EventId,
    EventStatus,
    Json,
    second,
)
from bridge.store.approvals import AnswerRow, ApprovalStore, DueApproval
from bridge.store.calls import CallStore
from bridge.verbs.approvals import HOOK, Approvals
from bridge.verbs.intake import Incoming, Intake

logger = logging.getLogger(__name__)

LAPSED = "nobody approved it within {within}, so it was never sent"
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

    async def due(self, limit: int, again_s: float) -> list[DueApproval]:
        """Return the calls that are to be looked at; each again after `again_s`."""
        return await self._store.due(limit, again_s)

    async def look(self, due: DueApproval) -> None:
        """End a call whose time is over; else ask its hook, or take what that has replied.

        Of one that waits no more, what a hook was asked is set aside.
        """
        if due.is_decided:
            await self._store.settle(due.call_id)
        elif due.is_over:
            await self._lapse(due.call_id, LAPSED.format(within=_spelled(due.within_ms)))
        else:
            call = await self._calls.read(due.call_id)
            if call and call.unapproved:
                await self._look(call, call.unapproved, due)

    async def _look(self, call: Call, approval: Approval, due: DueApproval) -> None:
        hook = approval.asks.removeprefix(HOOK)
        answer = await self._store.asked(call.call_id, due.event_id) if due.event_id else None
        if answer is None or (answer.status is None and not answer.is_decided):
            event_id = await self._ask(call, approval, hook, due.within_ms / 1000)
            answer = await self._store.asked(call.call_id, event_id or EventId(""))
        match answer.status:
            case _ if answer.is_decided:
                await self._store.settle(call.call_id)
            case None:
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

    async def _ask(
        self, call: Call, approval: Approval, name: str, within_s: float
    ) -> EventId | None:
        """Put the question on record, once; None where the hook does not take it, or need not.

        It is open for as long as the call waits, where its hook does not say for how long.
        """
        server = self._servers.get(call.principal.server)
        hook = server.hooks.get(name) if server else None
        content = Content.of_json(_question(call, approval))
        incoming = Incoming(content, call_id=call.call_id)
        try:
            if server and hook:
                new = await self._intake.anew(server, hook, incoming)
                open_s = hook.answer_within_s or max(new.answer_within_s, within_s)
                # Nothing makes it a duplicate: a reply to one would decide about another.
                question = replace(new, idempotency="", answer_within_s=open_s)
                event_id = await self._store.ask(call.call_id, new.event_id)
                if event_id:
                    await self._intake.put(replace(question, event_id=event_id))
                return event_id
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
        why = why.strip()[:REASON_CHARS_MAX]
        decide = self._approvals.approve if is_approved else self._approvals.refuse
        by = answer.leased_by or "somebody"
        try:
            await decide(call_id, approval.digest, why, by, at_ms=answer.answered_at)
        except ConflictError:
            return  # it was decided elsewhere meanwhile

    async def _lapse(self, call_id: CallId, failure: str) -> None:
        if await self._store.lapse(call_id, failure):
            await self._store.settle(call_id)
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


def _spelled(within_ms: int) -> str:
    """Format how long a call waits in words, such as `24 hours`."""
    for unit, unit_ms in (("hour", 3_600_000), ("minute", 60_000)):
        if within_ms >= unit_ms and within_ms % unit_ms == 0:
            count = within_ms // unit_ms
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return f"{within_ms / 1000:g} seconds"
