"""Follows a workflow's execution in n8n from the id that its webhook answered with."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bridge.configuration.servers import Workflow
from bridge.models import Json
from bridge.n8n.outcomes import (
    Answered,
    AskAgain,
    Dropped,
    ExecutionOutcome,
    Failed,
    MaybeRun,
    Refused,
    Succeeded,
    Unknown,
)

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
