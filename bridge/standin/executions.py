"""Executions of the stand-in: run, park at a Wait node, go on, end."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from bridge.models import Json

KEPT = 10_000


class WorkflowFailedError(Exception):
    """A node threw; the text is what n8n keeps in the execution, never what it answers."""

    def __init__(self, message: str, node: str) -> None:
        super().__init__(message)
        self.node = node


@dataclass(frozen=True)
class Item:
    """What a Webhook or Wait node gives out: the request it got."""

    body: Json
    headers: dict[str, str]
    query: dict[str, str]


@dataclass(frozen=True)
class Wait:
    """A parked Wait node: which call resumes it, and the call once it came."""

    suffix: str
    method: str
    resumed: asyncio.Future[Item]


@dataclass
class Execution:
    """One run of a workflow; `output` is what its last node gave."""

    execution_id: str
    workflow_id: str
    signature: str
    started_at: datetime
    status: Literal["running", "waiting", "success", "error"] = "running"
    stopped_at: datetime | None = None
    nodes: list[tuple[str, Json]] = field(default_factory=list)
    failure: WorkflowFailedError | None = None
    wait: Wait | None = None
    resumed_with: Json = None

    @property
    def is_over(self) -> bool:
        """Report whether the run has ended, well or not."""
        return self.status in ("success", "error")

    @property
    def output(self) -> Json:
        """Return the last node's item."""
        return self.nodes[-1][1] if self.nodes else None

    async def park(self, suffix: str, method: str, limit_s: float | None) -> Item | None:
        """Wait to be resumed; None when the limit came first and the run goes on without."""
        wait = Wait(suffix, method, asyncio.get_running_loop().create_future())
        self.wait, self.status = wait, "waiting"
        try:
            async with asyncio.timeout(limit_s):
                item = await wait.resumed
        except TimeoutError:
            return None
        else:
            self.resumed_with = item.body
            return item
        finally:
            self.wait, self.status = None, "running"

    def resume(self, wait: Wait, item: Item) -> bool:
        """Let the run go on; False when another resume was first."""
        if wait.resumed.done():
            return False
        wait.resumed.set_result(item)
        self.status = "running"
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        """End the run with the block, as a failure if it throws one."""
        try:
            yield
        except WorkflowFailedError as failure:
            self.failure, self.status = failure, "error"
            raise
        else:
            self.status = "success"
        finally:
            self.stopped_at = datetime.now(UTC)


class Executions:
    """The executions of one stand-in, counted from 1; the oldest ended ones are forgotten."""

    def __init__(self) -> None:
        self._count = 0
        self._known: dict[str, Execution] = {}

    def start(self, workflow_id: str) -> Execution:
        """Open a run."""
        self._forget()
        self._count += 1
        run = Execution(
            str(self._count), workflow_id, secrets.token_hex(32), started_at=datetime.now(UTC)
        )
        self._known[run.execution_id] = run
        return run

    def find(self, execution_id: str) -> Execution | None:
        """Look a run up."""
        return self._known.get(execution_id)

    def clear(self) -> None:
        """Forget all runs; ids are never given twice."""
        self._known.clear()

    def _forget(self) -> None:
        if len(self._known) >= KEPT:
            over = next((key for key, run in self._known.items() if run.is_over), None)
            self._known.pop(over or "", None)
