"""What one stand-in holds."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

from bridge.models import Json
from bridge.standin.executions import Execution, Executions
from bridge.standin.faults import Faults
from bridge.standin.runs import Outside
from bridge.standin.seen import SeenRequests
from bridge.standin.workflows import Flow

REQUEST_TIMEOUT_S = 300.0


class Standin:
    """One stand-in: its executions, what it has seen, the faults ordered; a context manager.

    With `answered_by` its tools' answers say so in a member of that name; with `has_control` its
    memory is kept, and open under `/standin/`. `api_key` None lets any key read the API. The API
    shows the workflows `published`, which are written as in the files that n8n imports, and the
    `drafts`, at first none. `further` knows workflows beside the built-in ones, by their paths; it
    may take its time.
    """

    def __init__(
        self,
        *,
        answered_by: str | None = None,
        has_control: bool = False,
        api_key: str | None = None,
        retry_pause_s: float = 2.0,
        further: Callable[[str], Flow | None] = lambda _path: None,
        published: Sequence[Mapping[str, Json]] = (),
    ) -> None:
        self.has_control = has_control
        self.api_key = api_key
        self.further = further
        self.published = list(published)
        self.drafts: list[Mapping[str, Json]] = []
        self.executions = Executions()
        self.seen = SeenRequests()
        self.faults = Faults()
        http = httpx2.AsyncClient(
            headers={"User-Agent": "n8n", "Connection": "close"},
            timeout=REQUEST_TIMEOUT_S,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )
        self.outside = Outside(http, retry_pause_s, answered_by)
        self._runs: dict[asyncio.Task[Json], Execution] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cancel_all()
        await asyncio.gather(*self._runs, return_exceptions=True)
        await self.outside.http.aclose()

    def go_on(self, execution: Execution, run: Coroutine[Any, Any, Json]) -> asyncio.Task[Json]:
        """Let a run go on whether anyone waits for it or not, as n8n does."""
        task = asyncio.create_task(run)
        self._runs[task] = execution
        task.add_done_callback(self._ended)
        return task

    def stop_runs(self) -> None:
        """Break off what runs, as n8n does when it is killed; what has parked stays parked."""
        for task, execution in self._runs.items():
            if execution.status != "waiting":
                task.cancel()

    def reset(self) -> None:
        """Break off all runs, and forget what was seen, run and ordered."""
        self._cancel_all()
        self.executions.clear()
        self.seen.clear()
        self.faults.clear()

    def _cancel_all(self) -> None:
        for task in self._runs:
            task.cancel()

    def _ended(self, task: asyncio.Task[Json]) -> None:
        del self._runs[task]
        if not task.cancelled():
            # The execution has kept a failure; asyncio need not complain that nobody took it.
            task.exception()
