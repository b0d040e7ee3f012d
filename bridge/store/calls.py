"""Calls on record: typed faces of the steps that change them."""

import asyncio
from dataclasses import dataclass, replace

from bridge.models import Call, CallId, CallStatus, LeaseToken, Principal, ProcessId
from bridge.store import call_steps as step
from bridge.store.scripts import Answer, Steps

INTERRUPTED = "interrupted after it was sent; it may have run"


@dataclass(frozen=True)
class NewCall:
    """What is written before a workflow is run; `arguments` is a JSON text."""

    call_id: CallId
    principal: Principal
    workflow: str
    arguments: bytes
    max_attempts: int
    idempotent: bool
    ttl_s: int


@dataclass(frozen=True)
class Running:
    """A worker's right to run one call; `began_at` is its first attempt, on the loop's clock."""

    call: Call
    token: LeaseToken
    began_at: float

    @property
    def elapsed_s(self) -> float:
        """How long ago the first attempt began."""
        return asyncio.get_running_loop().time() - self.began_at


class CallStore:
    """Speaks Redis for calls."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def create(self, new: NewCall) -> Call:
        """Write a queued call."""
        return _call(
            await self._steps.run(
                step.CREATE,
                id=new.call_id,
                server=new.principal.server,
                principal=new.principal.name,
                workflow=new.workflow,
                arguments=new.arguments,
                max_attempts=new.max_attempts,
                idempotent=int(new.idempotent),
                ttl_s=new.ttl_s,
            )
        )

    async def lease(self, call_id: CallId, token: LeaseToken) -> Running | None:
        """Take a queued call to run it, or get None when it is not to be run now."""
        found = await self._steps.run(step.LEASE, id=call_id, token=token, process=self._process)
        if not found:
            return None
        began_at = asyncio.get_running_loop().time() - int(found[0]) / 1000
        return Running(_call(found[1]), token, began_at)

    async def sent(self, running: Running) -> bool:
        """Put on record that bytes are about to leave; False: the call is no longer ours."""
        answer = await self._steps.run(step.SENT, id=running.call.call_id, token=running.token)
        return answer == [b"held"]

    async def finish(
        self, running: Running, status: CallStatus, *, result: bytes = b"", failure: str = ""
    ) -> bool:
        """End a call for good; False: it was cancelled or taken over, and nothing changed."""
        answer = await self._steps.run(
            step.FINISH,
            id=running.call.call_id,
            token=running.token,
            status=status,
            result=result,
            failure=failure,
        )
        return bool(answer[0] == b"finished")

    async def park(self, running: Running, *, delay_s: float, ran: bool, failure: str) -> bool:
        """Queue a call again after `delay_s`; one that surely did not run costs no attempt."""
        answer = await self._steps.run(
            step.PARK,
            id=running.call.call_id,
            token=running.token,
            delay_ms=round(delay_s * 1000),
            ran=int(ran),
            failure=failure,
        )
        return answer == [b"parked"]

    async def cancel(self, call_id: CallId, reason: str) -> bool:
        """End an open call; whoever runs it finds its lease gone. False: it had ended already."""
        return await self._steps.run(step.CANCEL, id=call_id, failure=reason) == [b"cancelled"]

    async def abandon(self, call_id: str, token: str) -> None:
        """Give a dead worker's call to others, or fail it when it may have run and must not twice."""
        await self._steps.run(step.ABANDON, id=call_id, token=token, failure=INTERRUPTED)

    async def read(self, call_id: CallId, *, with_result: bool = True) -> Call | None:
        """Read one call."""
        found = await self._steps.run(step.READ, id=call_id, wants_result=int(with_result))
        if not found:
            return None
        return replace(_call(found[0]), result=found[1] or None)

    async def listed(self, principal: Principal, status: str, after: int, limit: int) -> list[Call]:
        """List at most `limit` calls of a principal in the order they came, after an order number."""
        rows = await self._steps.run(
            step.LIST,
            server=principal.server,
            principal=principal.name,
            status=status,
            after=after,
            limit=limit,
        )
        return [_call(row) for row in rows]

    async def sweep(self, limit: int, again_s: float) -> list[str]:
        """Name the queued calls that are due; they are due again after `again_s`."""
        due = await self._steps.run(step.SWEEP, limit=limit, again_ms=round(again_s * 1000))
        return [call_id.decode() for call_id in due]


def _call(row: Answer) -> Call:
    (
        call_id,
        server,
        principal,
        workflow,
        status,
        attempt,
        created_at,
        order,
        sent_at,
        failure,
        age,
        arguments,
        *_,
    ) = row
    return Call(
        call_id=CallId(call_id.decode()),
        principal=Principal(server.decode(), principal.decode()),
        workflow=workflow.decode(),
        status=CallStatus(status.decode()),
        attempt=int(attempt),
        created_at_ms=int(created_at),
        order=int(order),
        arguments=arguments,
        age_ms=int(age),
        sent=bool(sent_at),
        result=None,
        failure=failure.decode() or None,
    )
