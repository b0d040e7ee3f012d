"""The verbs of calls: start, wait, run, cancel, list."""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bridge.backoff import delay_before
from bridge.errors import InvalidError, NotFoundError
from bridge.models import Call, CallId, CallStatus, Json, Principal, new_call_id, new_lease_token
from bridge.outcomes import Answered, MaybeRun, NotRegistered, NotRun, Refused, WebhookOutcome
from bridge.queue import Queue
from bridge.schema_cache import SchemaCache
from bridge.servers import Server, Workflow
from bridge.store.calls import CallStore, NewCall, Running
from bridge.store.wake import Wakes

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0
REGISTERED_WITHIN_S = 10.0
LIST_MAX = 100
LEASE_CHECK_S = 30.0


@dataclass(frozen=True)
class Sending:
    """One attempt to run a workflow in n8n; `timeout_s` is what is left of the call's time."""

    call_id: CallId
    workflow: Workflow
    arguments: dict[str, Json]
    attempt: int
    timeout_s: float


Send = Callable[[Sending], Awaitable[WebhookOutcome]]


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
        servers: Mapping[str, Server],
        ttl_s: int,
    ) -> None:
        self._store = store
        self._wakes = wakes
        self._queue = queue
        self._schemas = schemas
        self._servers = servers
        self._ttl_s = ttl_s

    async def start(self, principal: Principal, workflow: Workflow, arguments: Json) -> Call:
        """Put a call on record and wake a worker; whoever asked may leave.

        Raises:
            InvalidError: the arguments break the workflow's input schema.
        """
        self._schemas.check(
            workflow.input, arguments, "the arguments break this tool's input schema"
        )
        new = NewCall(
            call_id=new_call_id(),
            principal=principal,
            workflow=workflow.name,
            arguments=json.dumps(arguments).encode(),
            max_attempts=workflow.retry.attempts,
            idempotent=workflow.annotations.idempotent,
            ttl_s=self._ttl_s,
        )
        call = await self._store.create(new)
        await self._queue.wake("run_call", call.call_id)
        return call

    async def wait(self, call_id: CallId, principal: Principal, wait_s: float) -> Call:
        """Read a call once it has ended, or as it is after `wait_s`.

        Raises:
            NotFoundError: unknown, or another principal's.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        with self._wakes.listening(f"call:{call_id}") as bell:
            while True:
                call = await self._store.read(call_id)
                if call is None or call.principal != principal:
                    raise NotFoundError("no such call")
                left_s = until - loop.time()
                if call.status.is_final or left_s <= 0:
                    return call
                await bell.wait(min(left_s, LOOK_AGAIN_S))

    async def cancel(self, call_id: CallId, principal: Principal) -> Call:
        """End a call, sent or not, and read it as it is then."""
        await self.wait(call_id, principal, 0)
        await self._store.cancel(call_id, "cancelled on request")
        return await self.wait(call_id, principal, 0)

    async def list(
        self, principal: Principal, status: str, limit: int, cursor: str | None
    ) -> Listing:
        """List a principal's calls, oldest first."""
        wanted = min(max(limit, 1), LIST_MAX)
        after = int(cursor) if cursor and cursor.isdecimal() else 0
        calls = await self._store.listed(principal, status, after, wanted + 1)
        more = len(calls) > wanted
        calls = calls[:wanted]
        return Listing(calls, str(calls[-1].order) if more else None)

    async def run(self, call_id: CallId, send: Send) -> None:
        """Make one attempt of a call; does nothing when it is not its turn."""
        running = await self._store.lease(call_id, new_lease_token())
        if running is None:
            return
        call = running.call
        server = self._servers.get(call.principal.server)
        workflow = server.workflows.get(call.workflow) if server else None
        if workflow is None:
            await self._fail(running, "the workflow is no longer configured on the bridge")
            return
        left_s = workflow.timeout_s - running.elapsed_s
        if left_s <= 0:
            await self._fail(running, _timed_out(workflow, call.failure))
            return
        sending = Sending(call_id, workflow, json.loads(call.arguments), call.attempt, left_s)
        try:
            outcome = await self._send_while_held(running, sending, send)
        except BaseException:
            await self._store.abandon(call_id, running.token)
            raise
        if outcome is not None:
            await self._settle(running, workflow, outcome)

    async def _send_while_held(
        self, running: Running, sending: Sending, send: Send
    ) -> WebhookOutcome | None:
        """Send, and stop as soon as the call is cancelled or taken over; None when it was."""
        if not await self._store.sent(running):
            return None
        sender = asyncio.ensure_future(send(sending))
        watcher = asyncio.create_task(self._until_lost(running))
        try:
            await asyncio.wait({sender, watcher}, return_when=asyncio.FIRST_COMPLETED)
            return sender.result() if sender.done() else None
        finally:
            sender.cancel()
            watcher.cancel()
            await asyncio.gather(sender, watcher, return_exceptions=True)

    async def _until_lost(self, running: Running) -> None:
        call_id = running.call.call_id
        with self._wakes.listening(f"call:{call_id}") as bell:
            while True:
                await bell.wait(LEASE_CHECK_S)
                call = await self._store.read(call_id, with_result=False)
                if call is None or call.status is not CallStatus.RUNNING:
                    return

    async def _settle(self, running: Running, workflow: Workflow, outcome: WebhookOutcome) -> None:
        match outcome:
            case Answered():
                await self._succeed(running, workflow, outcome)
            case NotRun(reason):
                await self._again(running, workflow, reason, ran=False)
            case NotRegistered(reason) if running.elapsed_s < REGISTERED_WITHIN_S:
                await self._store.park(running, delay_s=1, ran=False, failure=reason)
            case MaybeRun(reason) if (
                workflow.annotations.idempotent and running.call.attempt < workflow.retry.attempts
            ):
                await self._again(running, workflow, reason, ran=True)
            case MaybeRun(reason) | NotRegistered(reason) | Refused(reason):
                await self._fail(running, reason)

    async def _succeed(self, running: Running, workflow: Workflow, outcome: Answered) -> None:
        if outcome.empty and workflow.output is not None:
            await self._fail(running, "n8n answered with an empty body, where a result is promised")
            return
        try:
            self._schemas.check(
                workflow.output, outcome.value, "n8n's answer breaks this tool's output schema"
            )
        except InvalidError as error:
            await self._fail(running, str(error))
            return
        result = json.dumps(outcome.value).encode()
        if await self._store.finish(running, CallStatus.SUCCEEDED, result=result):
            self._log(running, CallStatus.SUCCEEDED)

    async def _again(self, running: Running, workflow: Workflow, reason: str, *, ran: bool) -> None:
        tries = (
            running.call.attempt + 1
            if ran
            else 2 + int(running.elapsed_s // workflow.retry.first_s)
        )
        delay_s = delay_before(tries, workflow.retry.first_s, workflow.retry.cap_s, random.random())
        if running.elapsed_s + delay_s >= workflow.timeout_s:
            await self._fail(running, _timed_out(workflow, reason))
        else:
            await self._store.park(running, delay_s=delay_s, ran=ran, failure=reason)

    async def _fail(self, running: Running, reason: str) -> None:
        if await self._store.finish(running, CallStatus.FAILED, failure=reason):
            self._log(running, CallStatus.FAILED)

    def _log(self, running: Running, status: CallStatus) -> None:
        call = running.call
        logger.info(
            "call.finished",
            extra={
                "call_id": call.call_id,
                "server": call.principal.server,
                "tool": call.workflow,
                "status": status,
                "attempt": call.attempt,
                "duration_ms": round(running.elapsed_s * 1000),
            },
        )


def _timed_out(workflow: Workflow, reason: str | None) -> str:
    last = f"; the last failure was: {reason}" if reason else ""
    return f"timed out after {workflow.timeout_s:g} s{last}"
