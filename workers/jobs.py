"""What RQ signals: each job is an id and one verb."""

from collections.abc import Mapping
from functools import partial

from bridge.configuration.servers import Server, Workflow
from bridge.mcp.occurrence import occurrence
from bridge.models import CallId, Event, EventId, Json, SubscriptionId
from bridge.n8n.client import N8n, WorkflowRequest
from bridge.n8n.outcomes import ExecutionOutcome, ResumeOutcome, WebhookOutcome
from bridge.n8n.reply_address import ReplyAddress
from bridge.n8n.scrub import scrub_outcome, secrets_sent
from bridge.runtime import WorkerRuntime
from bridge.verbs.runs import RunAttempt
from workers.worker import JobFunction

TOLD_CHARS_MAX = 40_000
"""A receiver takes 256 KiB, and JSON may spell a character in six bytes (SEP-3415)."""


async def run_call(runtime: WorkerRuntime, n8n: N8n, call_id: str) -> None:
    """Make one attempt of a call."""

    async def send(sending: RunAttempt) -> WebhookOutcome | None:
        callback_url = _callback_url(runtime, sending)
        asked = WorkflowRequest(
            sending.workflow,
            sending.arguments,
            sending.call_id,
            sending.traceparent,
            callback_url,
        )
        outcome = await n8n.run_workflow(asked, sending.timeout_s, sending.mark_sent)
        if outcome is None:
            return None
        return scrub_outcome(outcome, secrets_sent(sending.workflow, callback_url))

    async def look(workflow: Workflow, execution: str) -> ExecutionOutcome:
        settings = runtime.settings
        key = settings.n8n_api_key.get_secret_value() if settings.n8n_api_key else ""
        outcome = await n8n.look_at(settings.n8n_url or "", key, execution)
        return scrub_outcome(outcome, {*secrets_sent(workflow), key})

    await runtime.runs.run(CallId(call_id), send, look)


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


def _callback_url(runtime: WorkerRuntime, sending: RunAttempt) -> str | None:
    """Return the address that a workflow may report to, for those that do."""
    workflow = sending.workflow
    if workflow.result != "callback" and not workflow.progress:
        return None
    settings = runtime.settings
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
    return f"{base.rstrip('/')}/callbacks/{sending.call_id}?token={sending.secret}"


def jobs(runtime: WorkerRuntime, n8n: N8n) -> Mapping[str, JobFunction]:
    """Return every function that may be named in a job, by the name that the queue gives it."""
    return {
        f"{__name__}.{job.__name__}": partial(job, runtime, n8n)
        for job in (run_call, deliver_reply, deliver_occurrences)
    }
