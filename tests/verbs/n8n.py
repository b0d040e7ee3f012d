"""What stands for n8n where verbs are tried: it answers what it was told to answer."""

import asyncio
from collections.abc import Iterable

from bridge.configuration.servers import Workflow
from bridge.n8n.outcomes import ExecutionOutcome, RunOutcome
from bridge.verbs.runs import RunAttempt


class N8n:
    """Answers what it was told when it is sent or looked at, and remembers what it was asked."""

    def __init__(self, *outcomes: RunOutcome, seen: Iterable[ExecutionOutcome] = ()) -> None:
        self._outcomes = list(outcomes)
        self._seen = list(seen)
        self.asked: list[RunAttempt] = []
        self.looked_at: list[str] = []

    async def __call__(self, sending: RunAttempt) -> RunOutcome | None:
        if not await sending.mark_sent():
            return None
        self.asked.append(sending)
        return self._outcomes.pop(0)

    async def look(self, _workflow: Workflow, execution: str) -> ExecutionOutcome:
        self.looked_at.append(execution)
        return self._seen.pop(0)


class Silent:
    """Never answers; remembers that it was asked and how that ended."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.was_cancelled = False

    async def __call__(self, sending: RunAttempt) -> RunOutcome:
        await sending.mark_sent()
        await self._be_silent()
        raise AssertionError("nobody answers")

    async def look(self, _workflow: Workflow, _execution: str) -> ExecutionOutcome:
        await self._be_silent()
        raise AssertionError("nobody answers")

    async def _be_silent(self) -> None:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
