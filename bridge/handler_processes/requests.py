"""What a worker asks of a process of handlers, and what such a process asks amid a run."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.configuration.servers import Workflow
from bridge.models import CallId, Json


class Amid(Protocol):
    """What a handler may do amid a run."""

    async def report(self, share: float, message: str) -> None:
        """Record how far the call is."""

    async def ask(self, hook: str, payload: Json) -> Json:
        """Ask on a hook, and return the value of the reply.

        Raises:
            RejectedError: there is no such hook, it takes no such payload, or nobody has answered.
        """


@dataclass(frozen=True, slots=True)
class HandlerRequest:
    """One attempt to run a workflow in Python, within `timeout_s`.

    `mark_sent` puts on record that the handler is about to start; where it returns False, it may
    not. `caller` is what it is told of who asks, None for nothing.
    """

    server: str
    workflow: Workflow
    call_id: CallId
    attempt: int
    timeout_s: float
    mark_sent: Callable[[], Awaitable[bool]]
    amid: Amid
    caller: Mapping[str, Json] | None = None
