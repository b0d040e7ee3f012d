"""What each of the last minutes brought: kept by the process that sweeps, read for charts."""

from typing import NamedTuple

from bridge.store.steps import Steps, step

READ_AT_ONCE = 240
"""Minutes that one step reads, so that it holds nobody up."""


class MinuteRow(NamedTuple):
    """By how much totals rose in a minute, numbered since 1970."""

    minute: int
    rises: dict[str, float]


@step("minutes.keep")
async def _keep(steps: Steps) -> int:
    """Keep the minute that has ended."""


@step("minutes.read")
async def _read(steps: Steps, *, first: int, count: int) -> list[MinuteRow]:
    """Read some minutes."""


@step("minutes.running")
async def _running(steps: Steps) -> dict[str, float]:
    """Read what rose since the last minute was kept."""


@step("minutes.now")
async def _now(steps: Steps) -> int:
    """Read the minute that it is."""


class MinuteStore:
    """Speaks Redis for minutes."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def keep(self) -> float:
        """Keep what the minute that has ended brought, once; return for how many s that is all."""
        return await _keep(self._steps) / 1000

    async def now(self) -> int:
        """Return which minute it is, numbered since 1970, on Redis's clock."""
        return await _now(self._steps)

    async def running(self) -> dict[str, float]:
        """Return by how much totals rose since the last minute was kept."""
        return await _running(self._steps)

    async def read(self, first: int, count: int) -> list[MinuteRow]:
        """Return those of some minutes from `first` on that brought anything, in order."""
        found: list[MinuteRow] = []
        for at in range(first, first + count, READ_AT_ONCE):
            many = min(READ_AT_ONCE, first + count - at)
            found += await _read(self._steps, first=at, count=many)
        return found
