"""Who is there: processes with what they say of themselves, and takers that wait."""

import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import NamedTuple

from bridge import __version__
from bridge.meters import LOOP_LAG, ROUND_TRIP
from bridge.store.processes import LIFE_S
from bridge.store.steps import Steps, step


@dataclass(frozen=True)
class ProcessReport:
    """What a process says of itself at each sign of life; moments by its own clock.

    `lag_s` is by how much its event loop was late at worst since the sign before, `round_trip_s`
    what a round trip to Redis took on average meanwhile, None where there was none.
    """

    version: str
    host: str
    pid: int
    started_at_ms: int
    is_draining: bool
    streams: int
    calls: int
    places: int
    lag_s: float
    round_trip_s: float | None


@dataclass(frozen=True)
class KnownProcess:
    """A process on record; its report is None where it has told none, or none of late."""

    name: str
    silent_s: float
    report: ProcessReport | None

    @property
    def kind(self) -> str:
        """What it is: `web`, `worker`, `stdio`, or a command."""
        return self.name.partition("-")[0]

    @property
    def lives(self) -> bool:
        """Report whether it was heard of lately enough to be alive."""
        return self.silent_s < LIFE_S


@dataclass
class ProcessLoad:
    """What a process has to do: whoever opens streams or runs calls here says how to count them.

    `report` is made by another thread.
    """

    streams: Callable[[], int] = int
    calls: Callable[[], int] = int
    places: int = 0
    is_draining: Callable[[], bool] = bool
    lag_s: float = 0
    _started_at_ms: int = field(default_factory=lambda: round(time.time() * 1000))
    _round_trips: tuple[float, float] = (0, 0)

    def late(self, by_s: float) -> None:
        """Record by how much the event loop was late."""
        LOOP_LAG.observe(by_s)
        self.lag_s = max(self.lag_s, by_s)

    def report(self) -> str:
        """Return what there is to say now, as JSON."""
        lag_s, self.lag_s = self.lag_s, 0
        told = ProcessReport(
            version=__version__,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at_ms=self._started_at_ms,
            is_draining=self.is_draining(),
            streams=self.streams(),
            calls=self.calls(),
            places=self.places,
            lag_s=lag_s,
            round_trip_s=self._round_trip_s(),
        )
        return json.dumps(asdict(told))

    def _round_trip_s(self) -> float | None:
        """Return what a round trip took on average since this was last asked."""
        seen = {
            sample.name: sample.value
            for metric in ROUND_TRIP.collect()
            for sample in metric.samples
        }
        name = "n8n_bridge_redis_round_trip_seconds"
        count, total = seen[f"{name}_count"], seen[f"{name}_sum"]
        (old_count, old_total), self._round_trips = self._round_trips, (count, total)
        return (total - old_total) / (count - old_count) if count > old_count else None


class PresenceRow(NamedTuple):
    """A process, as the store has it."""

    process: str
    silent_ms: int
    report: str | None

    def known_process(self) -> KnownProcess:
        """Return it; what a later version says beside is passed over."""
        return KnownProcess(self.process, self.silent_ms / 1000, _report(self.report))


class WaitingTakers(NamedTuple):
    """How many takers wait for an event of a hook, or, where `hook` is empty, of any."""

    server: str
    hook: str
    waiting: int


@step("presence.processes")
async def _processes(steps: Steps) -> list[PresenceRow]:
    """Read every process that is on record."""


@step("presence.takers")
async def _takers(steps: Steps, *, hooks: Sequence[tuple[str, str]]) -> list[WaitingTakers]:
    """Count the takers that wait."""


class PresenceStore:
    """Speaks Redis for who is there."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def processes(self) -> list[KnownProcess]:
        """Read every process on record: those alive, and silent ones until they are forgotten."""
        return [row.known_process() for row in await _processes(self._steps)]

    async def takers(self, hooks: Sequence[tuple[str, str]]) -> list[WaitingTakers]:
        """Count the takers that wait on each (server, hook); an empty hook: those for any."""
        return await _takers(self._steps, hooks=hooks)


def _report(text: str | None) -> ProcessReport | None:
    told: Mapping[str, object] = json.loads(text) if text else {}
    known = {each.name: told[each.name] for each in fields(ProcessReport) if each.name in told}
    return ProcessReport(**known) if len(known) == len(fields(ProcessReport)) else None  # type: ignore[arg-type]
