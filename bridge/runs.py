"""The verb of runs, on the worker's side: make one attempt of a call and judge its outcome."""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bridge.backoff import delay_before
from bridge.errors import InvalidError
from bridge.models import CallId, CallStatus, Json, new_lease_token
from bridge.outcomes import Answered, MaybeRun, NotRegistered, NotRun, Refused, WebhookOutcome
from bridge.schema_cache import SchemaCache
from bridge.servers import Server, Workflow
from bridge.store.runs import Running, RunStore
from bridge.store.wake import Wakes

logger = logging.getLogger(__name__)

REGISTERED_WITHIN_S = 10.0
LEASE_CHECK_S = 30.0


@dataclass(frozen=True)
class Sending:
    """One attempt to run a workflow in n8n; `timeout_s` is what is left of the call's time.

    `secret` is what proves a callback to be this call's.
    """

    call_id: CallId
    workflow: Workflow
    arguments: dict[str, Json]
    attempt: int
    timeout_s: float
    secret: str


Send = Callable[[Sending], Awaitable[WebhookOutcome]]


class Runs:
    """Decides what becomes of a call that is being run."""

    def __init__(
        self,
        store: RunStore,
        wakes: Wakes,
        schemas: SchemaCache,
        servers: Mapping[str, Server],
    ) -> None:
        self._store = store
        self._wakes = wakes
        self._schemas = schemas
        self._servers = servers

    async def run(self, call_id: CallId, send: Send) -> None:
        """Make one attempt of a call; does nothing when it is not its turn."""
        running = await self._store.lease(call_id, new_lease_token())
        if running is None:
            return
        call = running.call
        server = self._servers.get(call.principal.server)
        workflow = server.workflows.get(call.workflow) if server else None
        if workflow is None:
            gone = "the workflow is no longer configured on the bridge"
            await self._fail(running, gone, is_bridge_fault=True)
            return
        left_s = workflow.timeout_s - running.elapsed_s
        if left_s <= 0:
            await self._fail(running, _timed_out(workflow, call.failure))
            return
        if call.is_awaited:
            await self._store.await_callback(running, left_s)
            return
        sending = Sending(
            call_id, workflow, json.loads(call.arguments), call.attempt, left_s, running.secret
        )
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
                if await self._store.status(call_id) is not CallStatus.RUNNING:
                    return

    async def _settle(self, running: Running, workflow: Workflow, outcome: WebhookOutcome) -> None:
        match outcome:
            case Answered() if workflow.result == "callback":
                await self._store.await_callback(running, workflow.timeout_s - running.elapsed_s)
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

    async def _fail(self, running: Running, reason: str, *, is_bridge_fault: bool = False) -> None:
        if await self._store.finish(
            running, CallStatus.FAILED, failure=reason, is_bridge_fault=is_bridge_fault
        ):
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
