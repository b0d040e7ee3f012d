"""Runs of handlers: what a worker does for a workflow in Python, and amid it."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.errors import BridgeError
from bridge.formats.json_text import encode
from bridge.handler_processes.pool import HandlerProcesses
from bridge.handler_processes.requests import HandlerRequest
from bridge.models import Json
from bridge.n8n.outcomes import RunOutcome
from bridge.runtime import WorkerRuntime
from bridge.verbs.caller_keys import asker
from bridge.verbs.elicitations import Elicitation
from bridge.verbs.runs import RunAttempt


@dataclass(frozen=True, slots=True)
class AmidCall:
    """What a handler may do amid its call."""

    runtime: WorkerRuntime
    sending: RunAttempt
    numbers: Iterator[int]

    async def report(self, share: float, message: str) -> None:
        """Record how far the call is; nothing of one that has ended."""
        with contextlib.suppress(BridgeError):
            callbacks, sending = self.runtime.callbacks, self.sending
            await callbacks.report(sending.call_id, sending.secret, share, message)

    async def ask(self, hook: str, payload: Json) -> Json:
        """Ask on a hook, and return the value of the reply.

        Raises:
            RejectedError: there is no such hook, it takes no such payload, or nobody has answered.
        """
        sending = self.sending
        asked = Elicitation(
            sending.principal.server, hook, payload, sending.call_id, next(self.numbers)
        )
        return await self.runtime.elicitations.ask(asked)


async def handled(
    runtime: WorkerRuntime, handlers: HandlerProcesses, sending: RunAttempt
) -> RunOutcome | None:
    """Make one attempt to run a handler; None where it may not be started."""
    asked = HandlerRequest(
        server=sending.principal.server,
        workflow=sending.workflow,
        call_id=sending.call_id,
        attempt=sending.number,
        timeout_s=sending.timeout_s,
        mark_sent=sending.mark_sent,
        amid=AmidCall(runtime, sending, itertools.count(1)),
        caller=asker(sending.principal, sending.asker) if sending.workflow.caller else None,
    )
    return await handlers.run(asked, encode(sending.arguments))
