"""What RQ signals: each job is an id and one verb."""

from collections.abc import Mapping
from functools import partial

from bridge.configuration.current import Servers
from bridge.configuration.servers import Server, Workflow
from bridge.handler_processes.pool import HandlerProcesses
from bridge.mcp.occurrence import occurrence
from bridge.models import CallId, Event, EventId, Json, SubscriptionId
from bridge.n8n.client import N8n, WorkflowRequest
from bridge.n8n.outcomes import ExecutionOutcome, ResumeOutcome, RunOutcome
from bridge.n8n.reply_address import ReplyAddress
from bridge.n8n.scrub import scrub_outcome, secrets_sent
from bridge.runtime import WorkerRuntime
from bridge.verbs.caller_keys import Told, asker
from bridge.verbs.calls import target_of
from bridge.verbs.runs import RunAttempt
from workers.handling import handled
from workers.worker import JobFunction

TOLD_CHARS_MAX = 40_000
"""A receiver takes 256 KiB, and JSON may spell a character in six bytes (SEP-3415)."""


class Targets:
    """The workflows of a process by the hints of their jobs, as its servers are now."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._made_of: Mapping[str, Server] = {}
        self._workflows: dict[str, Workflow] = {}

    def get(self, hint: str) -> Workflow | None:
        """Return the workflow that a hint names, if there is one."""
        if self._made_of is not self._servers.now:
            self._made_of = self._servers.now
            self._workflows = {
                target_of(server.name, workflow.name): workflow
                for server in self._servers.values()
                for workflow in server.workflows.values()
            }
        return self._workflows.get(hint)


async def run_call(
    runtime: WorkerRuntime,
    n8n: N8n,
    handlers: HandlerProcesses,
    workflows: Targets,
    call_id: str,
    hint: str = "",
) -> None:
    """Make one attempt of a call, which is probably of the workflow that the hint names.

    Where a connection for that is there already, the call is leased and on record as sent at once.
    """
    expected = workflows.get(hint)
    spare = n8n.spare(expected) if expected and expected.kind is None else None

    async def send(sending: RunAttempt) -> RunOutcome | None:
        nonlocal spare
        if sending.workflow.kind == "python":
            return await handled(runtime, handlers, sending)
        own, spare = (spare, None) if sending.workflow is expected else (None, spare)
        asked, workflow = await _asked(runtime, sending), sending.workflow
        callback_url = asked.callback_url
        running = n8n.run_workflow(asked, sending.timeout_s, sending.mark_sent, own)
        del sending, asked  # their arguments are not kept until n8n answers
        outcome = await running
        return scrub_outcome(outcome, secrets_sent(workflow, callback_url)) if outcome else None

    is_ready = spare is not None or (expected is not None and expected.annotations.idempotent)
    look = partial(_look, runtime, n8n)
    try:
        if expected and expected.caller and expected.kind is None:
            await runtime.callers.demand_keys()
        await runtime.runs.run(CallId(call_id), send, look, sends_at_once=is_ready)
    finally:
        if spare:
            await spare.aclose()


async def _look(
    runtime: WorkerRuntime, n8n: N8n, workflow: Workflow, execution: str
) -> ExecutionOutcome:
    """Ask n8n's API how an execution of a workflow stands."""
    settings = runtime.settings
    key = settings.n8n_api_key.get_secret_value() if settings.n8n_api_key else ""
    outcome = await n8n.look_at(settings.n8n_url or "", key, execution)
    return scrub_outcome(outcome, {*secrets_sent(workflow), key})


async def deliver_reply(runtime: WorkerRuntime, n8n: N8n, event_id: str) -> None:
    """Make one attempt to deliver a reply."""

    async def send(
        address: ReplyAddress, value: Json, event_id: EventId, timeout_s: float
    ) -> ResumeOutcome:
        return await n8n.resume(address, value, event_id=event_id, timeout_s=timeout_s)

    await runtime.replies.deliver(EventId(event_id), send)


async def deliver_occurrences(runtime: WorkerRuntime, _n8n: N8n, subscription_id: str) -> None:
    """Send the receiver of a subscription what has come."""

    async def write(server: Server, event: Event) -> dict[str, Json] | None:
        chars = min(runtime.settings.result_chars, TOLD_CHARS_MAX)
        return await occurrence(runtime.events, runtime.schemas, server, event, chars)

    await runtime.deliveries.deliver(SubscriptionId(subscription_id), write)


async def run_bulk(runtime: WorkerRuntime, bulk_id: str) -> None:
    """Work on a bulk act for a while, and leave the rest to whoever comes next."""
    if await runtime.bulks.run(bulk_id):
        await runtime.queue.wake("run_bulk", bulk_id)


async def _asked(runtime: WorkerRuntime, sending: RunAttempt) -> WorkflowRequest:
    """Return what n8n is told: where to report to, and who asks, for workflows that want it."""
    workflow, callback_url, caller = sending.workflow, None, None
    if workflow.result == "callback" or workflow.progress:
        base = runtime.settings.base_url
        callback_url = f"{base}/callbacks/{sending.call_id}?token={sending.secret}"
    if workflow.caller:
        told = Told(sending.call_id, workflow.name, workflow.url)
        caller = await runtime.callers.token(asker(sending.principal, sending.asker), told)
    return WorkflowRequest(
        workflow, sending.arguments, sending.call_id, sending.traceparent, callback_url, caller
    )


def jobs(runtime: WorkerRuntime, n8n: N8n, handlers: HandlerProcesses) -> Mapping[str, JobFunction]:
    """Return every function that may be named in a job, by the name that the queue gives it."""
    functions = {
        run_call: partial(run_call, runtime, n8n, handlers, Targets(runtime.servers)),
        deliver_reply: partial(deliver_reply, runtime, n8n),
        deliver_occurrences: partial(deliver_occurrences, runtime, n8n),
        run_bulk: partial(run_bulk, runtime),
    }
    return {f"{__name__}.{named.__name__}": function for named, function in functions.items()}
