"""Calls of workflows: started, attached to, waited for, cancelled, ended by n8n's callbacks."""

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bridge.auth.authentication import EVERYTHING, Scope
from bridge.configuration.current import Servers
from bridge.configuration.servers import Workflow
from bridge.errors import ConflictError, NotFoundError, UnprovenError
from bridge.formats.canonical import canonical
from bridge.formats.cursors import order_after
from bridge.formats.json_text import encode, spell
from bridge.models import Call, CallId, CallStatus, Json, Principal, origin_of
from bridge.n8n.outcomes import cut_words
from bridge.n8n.scrub import scrub, scrub_text, secrets_sent
from bridge.queue import Queue
from bridge.schemas.checks import SchemaCache
from bridge.store.calls import CallStore
from bridge.store.new_calls import NewApproval, NewCall
from bridge.store.signals import Signal, Signals
from bridge.verbs.approvals import to_approve

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 20.0
"""How soon one looks again; a call that is not sent, and that nobody looked at for 60 s, ends."""
REGISTERED_WITHIN_S = 10.0
LIST_MAX = 100
LEASE_CHECK_S = 30.0
CLIENT_CHARS_MAX = 100


@dataclass(frozen=True)
class CallRequest:
    """A wish to run a workflow.

    `tool_use` is the client's own id of it, empty if it gave none; `promised` says that the
    client may come back for the result without waiting. `trace` is the trace that the request is
    part of, empty for none; `scope` is what the principal may see of the call. `client` is how
    the client is called.
    """

    principal: Principal
    workflow: Workflow
    arguments: dict[str, Json]
    call_id: CallId
    tool_use: str = ""
    promised: bool = False
    trace: str = ""
    scope: Scope = EVERYTHING
    client: str = ""


@dataclass(frozen=True)
class CallPage:
    """A page of calls; `next_cursor` is None at the end."""

    calls: list[Call]
    next_cursor: str | None


class Calls:
    """Decides what becomes of calls."""

    def __init__(
        self,
        store: CallStore,
        signals: Signals,
        queue: Queue,
        schemas: SchemaCache,
        ttl_s: int,
    ) -> None:
        self._store = store
        self._signals = signals
        self._queue = queue
        self._schemas = schemas
        self._ttl_s = ttl_s

    async def start(self, asked: CallRequest) -> Call:
        """Put a call on record and wake a worker, or join the earlier call that this one repeats.

        One that must be approved waits for that. Whoever asked may leave; the same `call_id` asked
        for twice is one call.

        Raises:
            InvalidError: the arguments break the workflow's input schema.
        """
        workflow = asked.workflow
        arguments = encode(asked.arguments)
        broken = "the arguments break this tool's input schema"
        await self._schemas.check(workflow.input, asked.arguments, broken, arguments)
        server = asked.principal.server
        approval = await to_approve(self._schemas, server, workflow, arguments)
        new = self._new(asked, arguments, approval)
        hint = target_of(server, workflow.name)
        waking = None if approval else self._queue.waking("run_call", new.call_id, hint)
        return asked.scope.narrow(await self._store.create(new, waking))

    def _new(self, asked: CallRequest, arguments: bytes, approval: NewApproval | None) -> NewCall:
        workflow = asked.workflow
        attach = _fingerprint(asked) if workflow.attach_for_s is not None else ""
        return NewCall(
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
            promised=asked.promised or approval is not None,
            trace=asked.trace,
            concurrency=workflow.concurrency,
            rate=workflow.rate,
            share=workflow.per.principal if workflow.per else None,
            timeout_s=workflow.timeout_s,
            secret=secrets.token_urlsafe(24),
            origin=asked.tool_use and origin_of(asked.tool_use, asked.client),
            to_approve=approval,
            asker=spell({"client": asked.client[:CLIENT_CHARS_MAX]}) if workflow.caller else "",
        )

    async def read_file(self, call: Call, offset: int, size_bytes: int) -> tuple[bytes, int]:
        """Read a part of the file that a call ended with, and how long the whole is, in bytes."""
        return await self._store.read_file(call.call_id, offset, size_bytes)

    async def handed_over(self, call: Call) -> None:
        """Record that whoever asked has the result in hand: the same call asked again runs anew."""
        if call.status.is_final:
            await self._store.handed_over(call.call_id)

    async def promise(self, call: Call) -> None:
        """Record that whoever asked was told to come back for the result."""
        await self._store.promise(call.call_id)

    async def wait(
        self,
        call_id: CallId,
        principal: Principal,
        wait_s: float,
        scope: Scope = EVERYTHING,
        changed: Signal | None = None,
    ) -> Call:
        """Read a call once it has ended or asks something, or as it is after `wait_s`.

        Whoever heard of its changes since before it was as they know it gives what they heard by:
        then it is read when it has changed, and not before.

        Raises:
            NotFoundError: unknown, another principal's, or outside the scope.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        with self.subscribed(call_id) as heard:
            woken = changed or heard
            if changed:
                await changed.wait(min(wait_s, LOOK_AGAIN_S))
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
                await woken.wait(min(left_s, LOOK_AGAIN_S))

    def subscribed(
        self, *call_ids: CallId, also: Iterable[str] = ()
    ) -> AbstractContextManager[Signal]:
        """Hear of changes of these calls, and of other names, while the block lasts."""
        return self._signals.subscribed(*(f"call:{call_id}" for call_id in call_ids), *also)

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
    ) -> CallPage:
        """List a principal's calls that are in the scope, oldest first.

        Raises:
            MalformedError: the cursor is none.
        """
        wanted = min(max(limit, 1), LIST_MAX)
        calls = await self._store.listed(principal, status, order_after(cursor), wanted + 1)
        more = len(calls) > wanted
        calls = calls[:wanted]
        seen = [call for call in calls if scope.covers_workflow(call.workflow)]
        return CallPage(seen, str(calls[-1].order) if more else None)


def target_of(server: str, workflow: str) -> str:
    """Digest which workflow a call is of, as a hint for its worker: two may have the same."""
    return hashlib.sha256(f"{server}/{workflow}".encode()).hexdigest()[:8]


def _fingerprint(asked: CallRequest) -> str:
    """Digest what must be equal for two calls to be one: caller, tool and arguments."""
    caller = (asked.principal.server, asked.principal.name, asked.workflow.name)
    return hashlib.sha256(json.dumps(caller).encode() + canonical(asked.arguments)).hexdigest()


def _of_use(fingerprint: str, tool_use: str) -> str:
    """Digest the same and the client's own id of its use of the tool; empty without either."""
    if not fingerprint or not tool_use:
        return ""
    return hashlib.sha256(json.dumps((fingerprint, tool_use)).encode()).hexdigest()


class Callbacks:
    """Decides what becomes of what n8n posts to a call's own address."""

    def __init__(self, store: CallStore, schemas: SchemaCache, servers: Servers) -> None:
        self._store = store
        self._schemas = schemas
        self._servers = servers

    async def demand(self, call_id: str, secret: str) -> None:
        """Let pass who has a call's own token, before anything that they send is read.

        Raises:
            UnprovenError: no such call, or not its token.
        """
        if not await self._store.proves(CallId(call_id), secret):
            raise UnprovenError("no such call")

    async def report(self, call_id: str, secret: str, progress: float, message: str) -> CallStatus:
        """Record a running call's progress, 0 to 1.

        Raises:
            NotFoundError: no such call, or not its token.
            ConflictError: the call has ended.
        """
        call, workflow = await self._call(call_id, secret)
        clean = scrub_text(message, [*secrets_sent(workflow), secret])
        return _taken(*await self._store.report(call.call_id, secret, progress, clean))

    async def succeed(self, call_id: str, secret: str, value: Json) -> CallStatus:
        """End a call with its result; the same result again changes nothing.

        Raises:
            InvalidError: the result breaks the workflow's output schema.
        """
        call, workflow = await self._call(call_id, secret)
        broken = "the result breaks the tool's output schema"
        await self._schemas.check(workflow.output, value, broken)
        clean = scrub(value, [*secrets_sent(workflow), secret])
        return await self._conclude(call, secret, CallStatus.SUCCEEDED, result=encode(clean))

    async def fail(self, call_id: str, secret: str, reason: str) -> CallStatus:
        """End a call with the reason why it failed; the same reason again changes nothing."""
        call, workflow = await self._call(call_id, secret)
        clean = cut_words(scrub_text(reason, [*secrets_sent(workflow), secret]))
        return await self._conclude(call, secret, CallStatus.FAILED, failure=clean)

    async def _conclude(
        self,
        call: Call,
        secret: str,
        status: CallStatus,
        *,
        result: bytes = b"",
        failure: str = "",
    ) -> CallStatus:
        told = await self._store.conclude(
            call.call_id, secret, status, result=result, failure=failure
        )
        ended = _taken(*told)
        logger.info(
            "call.concluded",
            extra={
                "call_id": call.call_id,
                "server": call.principal.server,
                "tool": call.workflow,
                "status": ended,
                "duration_ms": call.age_ms,
            },
        )
        return ended

    async def _call(self, call_id: str, secret: str) -> tuple[Call, Workflow]:
        """Find a call and its workflow as it was then, for none but the call's own token."""
        is_own = await self._store.proves(CallId(call_id), secret)
        call = await self._store.read(CallId(call_id)) if is_own else None
        age_s = call.age_ms / 1000 if call else 0
        server = self._servers.as_of(call.principal.server, age_s) if call else None
        workflow = server.workflows.get(call.workflow) if server and call else None
        if call is None or workflow is None:
            raise UnprovenError("no such call")
        return call, workflow


def _taken(outcome: str, status: str) -> CallStatus:
    if outcome == "unknown":
        raise NotFoundError("no such call")
    if outcome == "ended":
        raise ConflictError(f"the call is {status} and takes no more callbacks")
    return CallStatus(status)
