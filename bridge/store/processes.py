"""Processes on record: who is alive, what each holds, and what a dead one leaves."""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from redis import Redis
from redis.exceptions import RedisError
from typing_extensions import override

from bridge.meters import LOOP_LAG
from bridge.models import ProcessId
from bridge.store import layout
from bridge.store.steps import Steps, step

logger = logging.getLogger(__name__)

BEAT_S = 2.0
LIFE_S = 6.0
"""A process that was not heard of for so long is dead, once Redis itself was up for as long."""

HUNG_S = 60.0
"""An event loop that has not gone on for so long does not count as alive. None of our steps takes a
hundredth of that; a machine that is so busy should lose the work to another."""

LEAD_MS = 3000
"""How long a process that sweeps leads the others after its last sweep."""

SHOWN_FRAMES = 8

DIED = "process.died"
"""The wake for when what a process did is for others to do."""


class DeadRow(NamedTuple):
    """A process that is silent, and what it still holds: a `kind id token` each."""

    process: str
    held: list[str]

    def dead_process(self) -> "DeadProcess":
        """Return what it left."""
        parts = (what.split(" ", 2) for what in self.held)
        return DeadProcess(
            ProcessId(self.process), tuple((kind, id_, token) for kind, id_, token in parts)
        )


@step("processes.beat")
async def _beat(steps: Steps, *, process: ProcessId, report: str) -> None:
    """Record that a process lives, and what it says of itself."""


@step("leaving.leave")
async def _leave(steps: Steps, *, process: ProcessId) -> None:
    """Forget a process but for what it still holds."""


@dataclass(frozen=True)
class LeadRow:
    """Whether a process sweeps, and the layout that it had the store go on to, if it did."""

    leads: bool
    raised_to: int | None


@step("processes.lead")
async def _lead(steps: Steps, *, process: ProcessId, life_ms: int, newest: int) -> LeadRow:
    """Become or stay the one process that sweeps."""


@step("processes.dead")
async def _dead(steps: Steps, *, life_ms: int) -> list[DeadRow]:
    """Find the processes that are silent."""


@step("processes.forget")
async def _forget(steps: Steps, *, process: ProcessId, held: list[str]) -> None:
    """Forget a dead process unless it holds more by now."""


@dataclass(frozen=True)
class DeadProcess:
    """What a dead process held: (kind, id, lease token) each."""

    process: ProcessId
    held: tuple[tuple[str, str, str], ...]


class ProcessStore:
    """Speaks Redis for processes."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self.process = process

    async def beat(self) -> None:
        """Report that this process lives."""
        await _beat(self._steps, process=self.process, report="")

    async def leave(self) -> None:
        """Report that this process ends; what it still holds is for others at once."""
        await _leave(self._steps, process=self.process)

    async def rules(self) -> bool:
        """Become or stay the one process that sweeps, and that raises the store's layout."""
        found = await _lead(
            self._steps, process=self.process, life_ms=LEAD_MS, newest=layout.NEWEST
        )
        if found.raised_to:
            logger.info("store.raised", extra={"layout": found.raised_to})
        return found.leads

    async def dead(self) -> list[DeadProcess]:
        """Find the processes that have not been heard of for LIFE_S, with what they held."""
        rows = await _dead(self._steps, life_ms=round(LIFE_S * 1000))
        return [row.dead_process() for row in rows]

    async def forget(self, dead_process: DeadProcess) -> None:
        """Drop a dead process once others have what it held, unless it holds more by now."""
        held = [" ".join(one) for one in dead_process.held]
        await _forget(self._steps, process=dead_process.process, held=held)


class Heartbeat(threading.Thread):
    """Beats from its own thread, so that a busy event loop does not look dead; a hung one does.

    The loop says by `loop_runs` that it goes on. Where it has not for `hung_s`, in beats, the
    process is no longer said to live, so that others take over what it holds; it is again as soon
    as the loop goes on. `report` is asked at each beat what the process has to say, `on_lag` told
    by how much the loop was late.
    """

    def __init__(
        self,
        redis: Redis,
        process: ProcessId,
        report: Callable[[], str] = str,
        on_lag: Callable[[float], None] = LOOP_LAG.observe,
        beat_s: float = BEAT_S,
        hung_s: float = HUNG_S,
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._redis = redis
        self._process = process
        self._report = report
        self._on_lag = on_lag
        self._beat_s = beat_s
        self._patient_beats = round(hung_s / beat_s)
        self._beats_alone = 0
        self._ended = threading.Event()

    def loop_runs(self) -> None:
        """Record that the event loop goes on."""
        self._beats_alone = 0

    async def follow_loop(self) -> None:
        """Record at each beat that the event loop goes on, and how late it was."""
        now = asyncio.get_running_loop().time
        while True:
            self.loop_runs()
            due_at = now() + self._beat_s
            await asyncio.sleep(self._beat_s)
            self._on_lag(max(now() - due_at, 0))

    @override
    def run(self) -> None:
        """Beat until told to end; a Redis that is away is tried again at the next beat."""
        while not self._ended.is_set():
            # Beats are counted, not seconds: a process that was stopped and goes on has not hung.
            if self._beats_alone < self._patient_beats:
                self._beat()
            elif self._beats_alone == self._patient_beats:
                _log_hung(self._process)
            self._beats_alone += 1
            self._ended.wait(self._beat_s)

    def _beat(self) -> None:
        try:
            told = {"process": self._process, "report": self._report()}
            self._redis.eval(_beat.script.text, 0, *_beat.arguments(told))
        except RedisError:
            self._redis.connection_pool.disconnect()

    def end(self) -> None:
        """Stop beating."""
        self._ended.set()
        self.join()
        self._redis.close()


def _log_hung(process: ProcessId) -> None:
    """Log what the event loop is at, which is in the main thread."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001
    where = "".join(traceback.format_stack(frame, limit=SHOWN_FRAMES)) if frame else ""
    logger.error("process.hung", extra={"process_id": process, "at_work_on": where})
