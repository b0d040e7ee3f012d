"""Calls on record: typed faces of the steps that change them."""

import asyncio
import zlib
from dataclasses import dataclass, replace

from bridge.models import Call, CallId, CallStatus, LeaseToken, Principal, ProcessId
from bridge.store import call_steps as step
from bridge.store.scripts import Answer, Steps

COMPRESSED_ABOVE_BYTES = 4096
UNWAITED_S = 60.0
"""A call that was not sent and for which nobody has waited for so long is cancelled."""

INTERRUPTED = "interrupted after it was sent; it may have run"


@dataclass(frozen=True)
class NewCall:
    """What is written before a workflow is run; `arguments` is a JSON text.

    `attach` is a digest of what must be equal for a later call to join this one, empty for never;
    `promised` says that the caller may come back for it without waiting.
    """

    call_id: CallId
    principal: Principal
    workflow: str
    arguments: bytes
    max_attempts: int
    idempotent: bool
    ttl_s: int
    attach: str = ""
    attach_for_s: float = 0
    tool_use: str = ""
    promised: bool = False


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
        """Write a queued call, or give the earlier one that it joins (`attached`)."""
        outcome, row = await self._steps.run(
            step.CREATE,
            id=new.call_id,
            server=new.principal.server,
            principal=new.principal.name,
            workflow=new.workflow,
            arguments=new.arguments,
            max_attempts=new.max_attempts,
            idempotent=int(new.idempotent),
            ttl_s=new.ttl_s,
            attach=new.attach,
            attach_ms=round(new.attach_for_s * 1000),
            tool_use=new.tool_use,
            promised=int(new.promised),
        )
        return replace(_call(row), attached=outcome == b"attached")

    async def lease(self, call_id: CallId, token: LeaseToken) -> Running | None:
        """Take a queued call to run it, or get None when it is not to be run now."""
        found = await self._steps.run(
            step.LEASE,
            id=call_id,
            token=token,
            process=self._process,
            unwaited_ms=round(UNWAITED_S * 1000),
        )
        if not found:
            return None
        began_at = asyncio.get_running_loop().time() - int(found[0]) / 1000
        return Running(_call(found[1]), token, began_at)

    async def sent(self, running: Running) -> bool:
        """Put on record that bytes are about to leave; False: the call is no longer ours."""
        answer = await self._steps.run(step.SENT, id=running.call.call_id, token=running.token)
        return answer == [b"held"]

    async def finish(
        self,
        running: Running,
        status: CallStatus,
        *,
        result: bytes = b"",
        failure: str = "",
        is_bridge_fault: bool = False,
    ) -> bool:
        """End a call for good; False: it was cancelled or taken over, and nothing changed."""
        answer = await self._steps.run(
            step.FINISH,
            id=running.call.call_id,
            token=running.token,
            status=status,
            result=_pack(result),
            failure=failure,
            blame="bridge" if is_bridge_fault else "",
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

    async def read(self, call_id: CallId, *, waits: bool = False) -> Call | None:
        """Read one call with its result; `waits` notes that somebody waits for it."""
        found = await self._steps.run(step.READ, id=call_id, wants_result=1, waits=int(waits))
        if not found:
            return None
        return replace(_call(found[0]), result=_unpack(found[1]))

    async def status(self, call_id: CallId) -> CallStatus | None:
        """Read only how a call stands."""
        found = await self._steps.run(step.READ, id=call_id, wants_result=0, waits=0)
        return _call(found[0]).status if found else None

    async def handed_over(self, call_id: str) -> None:
        """Note that whoever asked has the result of an ended call in hand."""
        await self._steps.run(step.HANDED_OVER, id=call_id)

    async def promise(self, call_id: CallId) -> None:
        """Note that whoever asked may come back for the result without waiting for it."""
        await self._steps.run(step.PROMISE, id=call_id)

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
    call_id, age_ms, values = row
    field = dict(zip(step.FIELDS, values, strict=True))
    return Call(
        call_id=CallId(call_id.decode()),
        principal=Principal(field["server"].decode(), field["principal"].decode()),
        workflow=field["workflow"].decode(),
        status=CallStatus(field["status"].decode()),
        attempt=int(field["attempt"]),
        order=int(field["order"]),
        created_at_ms=int(field["created_at"]),
        updated_at_ms=int(field["updated_at"]),
        age_ms=int(age_ms),
        arguments=field["arguments"],
        sent=field["sent_at"] is not None,
        failure=_text(field["failure"]),
        progress=float(field["progress"]) if field["progress"] else None,
        message=_text(field["message"]),
        is_bridge_fault=field["blame"] == b"bridge",
        result=None,
    )


def _text(value: bytes | None) -> str | None:
    return value.decode() if value else None


def _pack(result: bytes) -> bytes:
    """Compress a long result; the first byte tells."""
    return b"z" + zlib.compress(result) if len(result) > COMPRESSED_ABOVE_BYTES else b"j" + result


def _unpack(kept: bytes) -> bytes | None:
    if not kept or kept == b"j":
        return None
    return zlib.decompress(kept[1:]) if kept[:1] == b"z" else kept[1:]
