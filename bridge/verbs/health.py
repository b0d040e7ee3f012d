"""How a process stands with its store: whether that takes what it is given, and its totals."""

import asyncio
from collections.abc import Iterable

from bridge.errors import TransientError
from bridge.redis_faults import SILENT
from bridge.store.alerts import AlertStore
from bridge.store.counters import Counters, Totals
from bridge.store.minutes import MinuteStore
from bridge.store.processes import ProcessStore
from bridge.store.steps import Steps
from bridge.verbs.alerts import FiringAlerts
from bridge.verbs.charts import DAY, HOUR, Chart, read_chart
from bridge.verbs.store_losses import StoreLosses

ANSWER_S = 2.0


class Health:
    """Finds out how a process stands with its store."""

    def __init__(
        self,
        steps: Steps,
        processes: ProcessStore,
        counters: Counters,
        minutes: MinuteStore,
        losses: StoreLosses,
    ) -> None:
        self._steps = steps
        self._processes = processes
        self._counters = counters
        self._minutes = minutes
        self._losses = losses
        self.alerts = FiringAlerts(AlertStore(steps, processes.process))

    @property
    def warning(self) -> str:
        """What the store was found to have lost; empty for nothing."""
        return self._losses.said

    async def fault(self) -> str:
        """Return why the store takes no step within ANSWER_S; empty where it does."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._processes.beat()
        except (TransientError, TimeoutError):
            return (self._steps.fault or SILENT).sentence
        return ""

    async def totals(
        self, hooks: Iterable[tuple[str, str]], workflows: Iterable[tuple[str, str]]
    ) -> Totals:
        """Read the totals of all processes, and how these hooks and workflows stand."""
        return await self._counters.read(hooks, workflows)

    async def last_hour(self) -> Chart:
        """Read what each of the last 60 minutes brought."""
        return await read_chart(self._minutes, HOUR)

    async def last_day(self) -> Chart:
        """Read what each quarter of an hour of the last day brought."""
        return await read_chart(self._minutes, DAY)
