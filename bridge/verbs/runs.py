"""Runs of calls in a worker: each attempt, what its outcome means, executions that are followed."""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial

from bridge.backoff import delay_before
from bridge.configuration.current import Servers
from bridge.configuration.servers import Workflow
from bridge.errors import InvalidError
from bridge.formats.json_text import decode, encode
from bridge.formats.trace_context import traceparent
from bridge.meters import CALL_ATTEMPTS
from bridge.models import CallId, CallStatus, Json, Principal, new_lease_token
from bridge.n8n.outcomes import (
    Answered,
    AskAgain,
    Dropped,
    ExecutionOutcome,
    Failed,
    MaybeRun,
    NotRegistered,
    NotRun,
    Refused,
    RunOutcome,
    Succeeded,
    Unknown,
    outcome_name,
)
from bridge.schemas.checks import SchemaCache
from bridge.store.runs import Running, RunStore
from bridge.store.signals import Signals
from bridge.tracing import EndedSpan
from bridge.verbs.approvals import digest_of, to_approve
from bridge.verbs.held_calls import HeldCalls

Look = Callable[[Workflow, str], Awaitable[ExecutionOutcome]]
"""Asks n8n how an execution of a workflow stands."""

LOOK_FIRST_S, LOOK_MAX_S = 0.5, 10.0
LOOK_SHARE = 0.1
"""Looks are this share of the time followed apart: often at first, then ever less often."""


@dataclass(frozen=True)
class Followed:
    """An execution to follow for at most `within_s`; `seen_for_s` is how long it has run by now."""

    workflow: Workflow
    execution: str
    seen_for_s: float
    within_s: float


async def follow(followed: Followed, look: Look) -> Answered | MaybeRun | Refused:
    """Look at an execution until it ends, however long n8n is away meanwhile."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    last = ""
    while True:
        outcome = await look(followed.workflow, followed.execution)
        passed_s = loop.time() - began_at
        match outcome:
            case Succeeded(value, empty):
                return Answered(value, empty)
            case Failed(reason, words) | Unknown(reason, words):
                return Refused(reason, words)
            case Dropped(reason, words):
                return MaybeRun(reason, words)
            case AskAgain():
                last = f"; the last failure was: {outcome.sentence}"
        pause_s = (followed.seen_for_s + passed_s) * LOOK_SHARE
        pause_s = min(max(pause_s, LOOK_FIRST_S), LOOK_MAX_S)
        if passed_s + pause_s >= followed.within_s:
            return Refused(_outlasted(followed, last))
        await asyncio.sleep(pause_s)


def execution_in(value: Json) -> str | None:
    """Find the execution's id in what the webhook answered."""
    found = value.get("executionId") if isinstance(value, dict) else None
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) and found else None


def _outlasted(followed: Followed, last: str) -> str:
    return (
        f"timed out after {followed.workflow.timeout_s:g} s; execution {followed.execution} may "
        f"still run in n8n{last}"
    )


logger = logging.getLogger(__name__)

REGISTERED_WITHIN_S = 10.0
NO_EXECUTION = (
    "n8n ran the workflow but did not answer with its executionId, so it cannot be followed: let "
    "the Webhook node respond at once with {{ JSON.stringify({ executionId: $execution.id }) }}"
)
NO_WORKFLOW = (
    "what answered is a web page and not the workflow: is `url` right, and does a login or a "
    "challenge stand before n8n? A workflow that means to answer with a page says so with "
    "`output: {type: string}`"
)
NO_JSON = (
    "the workflow ran, but its answer was cut off or is broken: it is labelled as JSON and is "
    "{flaw}. A workflow that means to answer with text says so with `output: {{type: string}}`"
)


@dataclass(frozen=True, slots=True)
class RunAttempt:
    """One attempt to run a workflow; `timeout_s` is what is left of the call's time.

    `principal` is who asks, `asker` what else the workflow may be told of that. `number` counts
    from 1. `secret` is what proves a callback to be this call's. `mark_sent` puts on record that
    the first byte is about to leave, or the handler to start; where it returns False, neither may.
    """

    call_id: CallId
    principal: Principal
    asker: Mapping[str, Json]
    workflow: Workflow
    number: int
    arguments: dict[str, Json]
    traceparent: str
    timeout_s: float
    secret: str
    mark_sent: Callable[[], Awaitable[bool]]


Send = Callable[[RunAttempt], Coroutine[None, None, RunOutcome | None]]
"""Makes an attempt; None for one whose first byte may not leave."""


class Runs:
    """Decides what becomes of a call that is being run."""

    def __init__(
        self,
        store: RunStore,
        signals: Signals,
        schemas: SchemaCache,
        servers: Servers,
    ) -> None:
        self._store = store
        self._schemas = schemas
        self._servers = servers
        self._held = HeldCalls(store, signals)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the calls that are run while the block lasts."""
        async with self._held.running():
            yield

    def hand_over(self) -> None:
        """Leave from now on what another process can go on with as it is: executions followed."""
        self._held.hand_over()

    async def run(
        self, call_id: CallId, send: Send, look: Look, *, sends_at_once: bool = False
    ) -> None:
        """Make one attempt of a call, or follow the one made; nothing when it is not its turn.

        If the first byte `sends_at_once`, it is on record in the step that leases the call.
        """
        running = await self._store.lease(call_id, new_lease_token(), sends=sends_at_once)
        if running is None:
            return
        call = running.call
        workflow = self._workflow_of(running)
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
        try:
            began_at_s = time.time()
            outcome = await self._attempt(running, workflow, send, look)
        except BaseException:
            await self._store.abandon(call_id, running.token)
            raise
        if outcome is not None:
            _record_attempt(running, outcome, began_at_s)
            await self._settle(running, workflow, outcome)
        elif self._held.is_handing_over:
            await self._store.abandon(call_id, running.token)

    def _workflow_of(self, running: Running) -> Workflow | None:
        """Find what a call is of: one that was sent before ends as it was begun."""
        call = running.call
        age_s = call.age_ms / 1000 if call.sent and not running.is_sent else 0
        server = self._servers.as_of(call.principal.server, age_s)
        return server.workflows.get(call.workflow) if server else None

    async def _attempt(
        self, running: Running, workflow: Workflow, send: Send, look: Look
    ) -> RunOutcome | None:
        """Send, unless an execution is known, and follow it; None when that is for others now."""
        call_id, execution = running.call.call_id, running.call.execution
        if execution is None:
            if await self._held_for_approval(running, workflow):
                return None
            outcome = await self._held.do(call_id, send(self._attempted(running, workflow)))
            if isinstance(outcome, Answered):
                outcome = await self._doubted(workflow, outcome)
            if workflow.result != "execution" or not isinstance(outcome, Answered):
                return outcome
            execution = execution_in(outcome.value)
            if execution is None:
                return Refused(NO_EXECUTION)
            if not await self._store.executes(running, execution):
                return None
        elapsed_s = running.elapsed_s
        followed = Followed(workflow, execution, elapsed_s, workflow.timeout_s - elapsed_s)
        return await self._held.do(call_id, follow(followed, look), is_handed_over=True)

    async def _held_for_approval(self, running: Running, workflow: Workflow) -> bool:
        """Have a call wait that nobody has approved and somebody must: this is the last gate.

        It may have been made by a version, or with a server file, that asks for no approval.
        """
        call, server = running.call, running.call.principal.server
        approved = call.approval and call.approval.digest
        if approved and approved == digest_of(server, workflow.name, call.arguments):
            return False
        asked = await to_approve(self._schemas, server, workflow, call.arguments)
        if asked is None:
            return False
        await self._store.hold(running, asked, workflow.timeout_s)
        return True

    def _attempted(self, running: Running, workflow: Workflow) -> RunAttempt:
        call = running.call
        return RunAttempt(
            call_id=call.call_id,
            principal=call.principal,
            asker=decode(running.asker or "{}"),
            workflow=workflow,
            number=call.attempt,
            arguments=decode(call.arguments),
            traceparent=traceparent(call.trace, call.call_id, call.attempt),
            timeout_s=workflow.timeout_s - running.elapsed_s,
            secret=running.secret,
            mark_sent=partial(self._store.sent, running),
        )

    async def _doubted(self, workflow: Workflow, answered: Answered) -> Answered | Refused:
        """Refuse a web page and broken JSON, but where the workflow is said to answer with text."""
        is_answer = workflow.result == "response"
        is_broken = answered.flaw is not None and is_answer
        if answered.page is None and not is_broken:
            return answered
        if is_answer and workflow.output is not None:
            try:
                if await self._schemas.fits(workflow.output, answered.value):
                    return answered
            except InvalidError:
                return answered  # that it could not be checked is said where the call is settled
        if answered.page is not None:
            return Refused(NO_WORKFLOW, answered.page)
        return Refused(NO_JSON.format(flaw=answered.flaw), str(answered.value))

    async def _settle(self, running: Running, workflow: Workflow, outcome: RunOutcome) -> None:
        CALL_ATTEMPTS.labels(outcome_name(outcome)).inc()
        match outcome:
            case Answered() if workflow.result == "callback":
                await self._store.await_callback(running, workflow.timeout_s - running.elapsed_s)
            case Answered():
                await self._succeed(running, workflow, outcome)
            case NotRun():
                await self._again(running, workflow, outcome.sentence, ran=False)
            case NotRegistered() if running.elapsed_s < REGISTERED_WITHIN_S:
                await self._store.park(running, delay_s=1, ran=False, failure=outcome.sentence)
            case MaybeRun() if running.elapsed_s >= workflow.timeout_s:
                await self._fail(running, _timed_out(workflow, outcome.sentence))
            case MaybeRun() if (
                workflow.annotations.idempotent and running.call.attempt < workflow.retry.attempts
            ):
                await self._again(running, workflow, outcome.sentence, ran=True)
            case MaybeRun() | NotRegistered() | Refused():
                await self._fail(running, outcome.sentence)

    async def _succeed(self, running: Running, workflow: Workflow, outcome: Answered) -> None:
        if outcome.empty and workflow.output is not None:
            await self._fail(running, "n8n answered with an empty body, where a result is promised")
            return
        whose = "n8n's answer" if workflow.kind is None else "what the handler returned"
        file, broken = outcome.file, f"{whose} breaks this tool's output schema"
        value = file.describe(running.call.call_id) if file else outcome.value
        content = file.content if file else b""
        try:
            if outcome.is_streamed:
                value = await self._schemas.mended(workflow.output, value, broken)
            result = encode(value)
            await self._schemas.check(workflow.output, value, broken, result)
        except InvalidError as error:
            await self._fail(running, str(error))
            return
        if await self._store.finish(running, CallStatus.SUCCEEDED, result=result, file=content):
            _log_end(running, CallStatus.SUCCEEDED)

    async def _again(self, running: Running, workflow: Workflow, reason: str, *, ran: bool) -> None:
        # What did not run is no attempt: there the time that has passed says how often it doubled.
        passed = 1 + running.elapsed_s / workflow.retry.first_s
        tries = running.call.attempt + 1 if ran else 2 + int(math.log2(passed))
        delay_s = delay_before(tries, workflow.retry.first_s, workflow.retry.cap_s, random.random())
        if running.elapsed_s + delay_s >= workflow.timeout_s:
            await self._fail(running, _timed_out(workflow, reason))
        else:
            await self._store.park(running, delay_s=delay_s, ran=ran, failure=reason)

    async def _fail(self, running: Running, reason: str, *, is_bridge_fault: bool = False) -> None:
        if await self._store.finish(
            running, CallStatus.FAILED, failure=reason, is_bridge_fault=is_bridge_fault
        ):
            _log_end(running, CallStatus.FAILED)


def _record_attempt(running: Running, outcome: RunOutcome, began_at_s: float) -> None:
    call, name = running.call, outcome_name(outcome)
    EndedSpan(
        f"attempt {call.workflow}",
        call.trace,
        call.call_id,
        began_at_s,
        {
            "server": call.principal.server,
            "tool": call.workflow,
            "call_id": call.call_id,
            "attempt": call.attempt,
            "outcome": name,
        },
        part=str(call.attempt),
        failure="" if isinstance(outcome, Answered) else name,
        asks_n8n=True,
    ).record()


def _log_end(running: Running, status: CallStatus) -> None:
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
