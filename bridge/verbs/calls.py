"""The verbs of calls, on the side of whoever asks: start, wait, cancel, list."""

import asyncio
import hashlib
import json
import logging
import secrets
from dataclasses import dataclass
from typing import Any

import rfc8785

from bridge.auth.scopes import EVERYTHING, Scope
from bridge.configuration.servers import Workflow
from bridge.errors import NotFoundError
from bridge.formats.cursors import order_after
from bridge.formats.json_text import encode
from bridge.models import Call, CallId, Json, Principal
from bridge.queue import Queue
from bridge.schemas.cache import SchemaCache
from bridge.store.calls import CallStore, NewCall
from bridge.store.wake import Wakes

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 20.0
"""How soon one looks again; a call that is not sent, and that nobody looked at for 60 s, ends."""
REGISTERED_WITHIN_S = 10.0
LIST_MAX = 100
LEASE_CHECK_S = 30.0


@dataclass(frozen=True)
class Asked:
    """A wish to run a workflow.

    `tool_use` is the client's own id of it, empty if it gave none; `promised` says that the
    client may come back for the result without waiting. `trace` is the trace that the request is
    part of, empty for none; `scope` is what the principal may see of the call.
    """

    principal: Principal
    workflow: Workflow
    arguments: dict[str, Json]
    call_id: CallId
    tool_use: str = ""
    promised: bool = False
    trace: str = ""
    scope: Scope = EVERYTHING


@dataclass(frozen=True)
class Listing:
    """A page of calls; `next_cursor` is None at the end."""

    calls: list[Call]
    next_cursor: str | None


class Calls:
    """Decides what becomes of calls."""

    def __init__(
        self,
        store: CallStore,
        wakes: Wakes,
        queue: Queue,
        schemas: SchemaCache,
        ttl_s: int,
    ) -> None:
        self._store = store
        self._wakes = wakes
        self._queue = queue
        self._schemas = schemas
        self._ttl_s = ttl_s

    async def start(self, asked: Asked) -> Call:
        """Put a call on record and wake a worker, or join the earlier call that this one repeats.

        Whoever asked may leave; the same `call_id` asked for twice is one call.

        Raises:
            InvalidError: the arguments break the workflow's input schema.
        """
        workflow = asked.workflow
        arguments = encode(asked.arguments)
        broken = "the arguments break this tool's input schema"
        await self._schemas.check(workflow.input, asked.arguments, broken, arguments)
        attach = _fingerprint(asked) if workflow.attach_for_s is not None else ""
        new = NewCall(
            call_id=asked.call_id,
            principal=asked.principal,
            workflow=workflow.name,
            arguments=arguments,
            max_attempts=workflow.retry.attempts,
            idempotent=workflow.annotations.idempotent,
            ttl_s=self._ttl_s,
            attach=attach,
            attach_use=_of_use(attach, asked.tool_use),
            attach_for_s=workflow.attach_for_s or 0,
            promised=asked.promised,
            trace=asked.trace,
            concurrency=workflow.concurrency,
            rate=workflow.rate,
            timeout_s=workflow.timeout_s,
            secret=secrets.token_urlsafe(24),
        )
        call = await self._store.create(new)
        if not call.attached:
            await self._queue.wake("run_call", call.call_id)
        return asked.scope.narrow(call)

    async def read_file(self, call: Call, offset: int, size_bytes: int) -> tuple[bytes, int]:
        """Read a part of the file that a call ended with, and how long the whole is, in bytes."""
        return await self._store.read_file(call.call_id, offset, size_bytes)

    async def handed_over(self, call: Call) -> None:
        """Note that whoever asked has the result in hand: the same call asked again runs anew."""
        if call.status.is_final:
            await self._store.handed_over(call.call_id)

    async def promise(self, call: Call) -> None:
        """Note that whoever asked was told to come back for the result."""
        await self._store.promise(call.call_id)

    async def wait(
        self, call_id: CallId, principal: Principal, wait_s: float, scope: Scope = EVERYTHING
    ) -> Call:
        """Read a call once it has ended or asks something, or as it is after `wait_s`.

        Raises:
            NotFoundError: unknown, another principal's, or outside the scope.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        with self._wakes.listening(f"call:{call_id}") as bell:
            while True:
                call = await self._store.read(call_id, waits=wait_s > 0)
                if call is None or call.principal != principal:
                    raise NotFoundError("no such call")
                if not scope.covers_workflow(call.workflow):
                    raise NotFoundError("no such call")
                call = scope.narrow(call)
                left_s = until - loop.time()
                if call.status.is_final or call.asks or left_s <= 0:
                    return call
                await bell.wait(min(left_s, LOOK_AGAIN_S))

    async def cancel(
        self, call_id: CallId, principal: Principal, scope: Scope = EVERYTHING
    ) -> Call:
        """End a call, sent or not, and read it as it is then."""
        await self.wait(call_id, principal, 0, scope)
        await self._store.cancel(call_id, "cancelled on request")
        return await self.wait(call_id, principal, 0, scope)

    async def list(
        self,
        principal: Principal,
        status: str,
        limit: int,
        cursor: str | None,
        scope: Scope = EVERYTHING,
    ) -> Listing:
        """List a principal's calls that are in the scope, oldest first.

        Raises:
            MalformedError: the cursor is none.
        """
        wanted = min(max(limit, 1), LIST_MAX)
        calls = await self._store.listed(principal, status, order_after(cursor), wanted + 1)
        more = len(calls) > wanted
        calls = calls[:wanted]
        seen = [call for call in calls if scope.covers_workflow(call.workflow)]
        return Listing(seen, str(calls[-1].order) if more else None)


def _fingerprint(asked: Asked) -> str:
    """Digest what must be equal for two calls to be one: caller, tool, arguments as RFC 8785.

    Arguments that have no canonical form there, such as integers beyond 2^53, must be equal to the
    digit.
    """
    arguments: Any = asked.arguments
    try:
        canonical = rfc8785.dumps(arguments)
    except rfc8785.CanonicalizationError:
        canonical = encode(arguments, sort_keys=True)
    caller = (asked.principal.server, asked.principal.name, asked.workflow.name)
    return hashlib.sha256(json.dumps(caller).encode() + canonical).hexdigest()


def _of_use(fingerprint: str, tool_use: str) -> str:
    """Digest the same and the client's own id of its use of the tool; empty without either."""
    if not fingerprint or not tool_use:
        return ""
    return hashlib.sha256(json.dumps((fingerprint, tool_use)).encode()).hexdigest()
