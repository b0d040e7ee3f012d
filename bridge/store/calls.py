"""Calls on record: typed faces of the steps that change them."""

import zlib
from dataclasses import dataclass, replace

from bridge.formats.file_pages import OFFSET_MAX
from bridge.formats.quantities import Rate
from bridge.models import Body, Call, CallId, CallStatus, EventId, Principal, Question
from bridge.store import call_steps as step
from bridge.store.scripts import Answer
from bridge.store.steps import Steps

COMPRESSED_ABOVE_BYTES = 4096
LOOK_AT = 1000
"""So many calls are looked at in one step, to find those of a status."""


@dataclass(frozen=True)
class NewCall:
    """What is written before a workflow is run; `arguments` is a JSON text.

    `attach` is a digest of what must be equal for a later call to join this one, empty for never,
    `attach_use` one of the same and the client's own id of this use of the tool, empty without one;
    `promised` says that the caller may come back for it without waiting. At most `concurrency` calls
    of the workflow run at once, no more of them are sent in a time than `rate` allows, and one has ended `timeout_s` after its first attempt.
    """

    call_id: CallId
    principal: Principal
    workflow: str
    arguments: bytes
    max_attempts: int
    idempotent: bool
    ttl_s: int
    attach: str = ""
    attach_use: str = ""
    attach_for_s: float = 0
    promised: bool = False
    trace: str = ""
    secret: str = ""
    concurrency: int = 20
    rate: Rate | None = None
    timeout_s: float = 1200


class CallStore:
    """Speaks Redis for calls."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

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
            attach_use=new.attach_use,
            attach_ms=round(new.attach_for_s * 1000),
            promised=int(new.promised),
            trace=new.trace,
            secret=new.secret,
            concurrency=new.concurrency,
            rate_count=new.rate.count if new.rate else 0,
            rate_ms=round(new.rate.window_s * 1000) if new.rate else 0,
            timeout_ms=round(new.timeout_s * 1000),
        )
        return replace(call_of(row), attached=outcome == b"attached")

    async def proves(self, call_id: CallId, secret: str) -> bool:
        """Report whether a secret is the call's own."""
        answer = await self._steps.run(step.PROVES, id=call_id, secret=secret)
        return bool(answer[0] == b"proven")

    async def report(
        self, call_id: CallId, secret: str, progress: float, message: str
    ) -> tuple[str, str]:
        """Record a running call's progress: `taken` or `ended` with its status, or `unknown`."""
        answer = await self._steps.run(
            step.REPORT, id=call_id, secret=secret, progress=progress, message=message
        )
        return answer[0].decode(), answer[1].decode()

    async def conclude(
        self, call_id: CallId, secret: str, status: CallStatus, *, result: bytes, failure: str
    ) -> tuple[str, str]:
        """End a running call from outside; the same end again is `taken` like the first."""
        answer = await self._steps.run(
            step.CONCLUDE,
            id=call_id,
            secret=secret,
            status=status,
            result=pack(result),
            failure=failure,
        )
        return answer[0].decode(), answer[1].decode()

    async def cancel(self, call_id: CallId, reason: str) -> bool:
        """End an open call; whoever runs it finds its lease gone. False: it had ended already."""
        return await self._steps.run(step.CANCEL, id=call_id, failure=reason) == [b"cancelled"]

    async def read(self, call_id: CallId, *, waits: bool = False) -> Call | None:
        """Read one call with its result; `waits` notes that somebody waits for it."""
        found = await self._steps.run(step.READ, id=call_id, wants_result=1, waits=int(waits))
        if not found:
            return None
        return replace(
            call_of(found[0]),
            result=_unpack(found[1]),
            questions=tuple(_question(row) for row in found[2]),
            file_bytes=int(found[3]),
        )

    async def read_file(self, call_id: CallId, offset: int, size_bytes: int) -> tuple[bytes, int]:
        """Read a part of the file that a call ended with, and how long the whole is, in bytes."""
        first = min(offset, OFFSET_MAX)
        part, whole_bytes = await self._steps.run(
            step.READ_FILE, id=call_id, first=first, last=first + size_bytes - 1
        )
        return part, int(whole_bytes)

    async def handed_over(self, call_id: str) -> None:
        """Record that whoever asked has the result of an ended call in hand."""
        await self._steps.run(step.HANDED_OVER, id=call_id)

    async def promise(self, call_id: CallId) -> None:
        """Record that whoever asked may come back for the result without waiting for it."""
        await self._steps.run(step.PROMISE, id=call_id)

    async def listed(self, principal: Principal, status: str, after: int, limit: int) -> list[Call]:
        """List at most `limit` calls of a principal in the order they came, after an order number."""
        calls: list[Call] = []
        on_from = str(after)
        while on_from and len(calls) < limit:
            rows, seen_to = await self._steps.run(
                step.LIST,
                server=principal.server,
                principal=principal.name,
                status=status,
                after=on_from,
                limit=limit - len(calls),
                look_at=LOOK_AT,
            )
            calls += [call_of(row) for row in rows]
            on_from = seen_to.decode()
        return calls


def call_of(row: Answer) -> Call:
    """Read a call out of what a step gave."""
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
        is_awaited=field["awaited_by"] is not None,
        execution=_text(field["execution"]),
        trace=_text(field["trace"]) or "",
        is_shared_task=field["shared_task"] is not None,
        result=None,
    )


def _question(row: Answer) -> Question:
    event_id, hook, status, content, media_type = row
    body = Body(content, media_type.decode())
    is_taken = status == b"leased"
    return Question(EventId(event_id.decode()), hook.decode(), is_taken, body)


def _text(value: bytes | None) -> str | None:
    return value.decode() if value else None


def pack(result: bytes) -> bytes:
    """Compress a long result; the first byte tells."""
    return b"z" + zlib.compress(result) if len(result) > COMPRESSED_ABOVE_BYTES else b"j" + result


def _unpack(kept: bytes) -> bytes | None:
    if not kept or kept == b"j":
        return None
    return zlib.decompress(kept[1:]) if kept[:1] == b"z" else kept[1:]
