"""What the last look at what the bridge stands on has found, for all web processes."""

from typing import NamedTuple

from bridge.store.steps import Steps, step

AGAIN_S = 30.0
KEPT_S = 3600


class FindingsRow(NamedTuple):
    """What was found last, as JSON, and whether it is for the asker to look again."""

    found: bytes | None
    age_ms: int | None
    is_due: bool


@step("findings.read")
async def _read(steps: Steps, *, again_ms: int) -> FindingsRow:
    """Read what was found last."""


@step("findings.keep")
async def _keep(steps: Steps, *, found: bytes, ttl_s: int) -> None:
    """Keep what was found just now."""


class FindingStore:
    """Speaks Redis for findings."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def read(self) -> FindingsRow:
        """Read what was found last; of all who ask, one is to look again, AGAIN_S later or more."""
        return await _read(self._steps, again_ms=round(AGAIN_S * 1000))

    async def keep(self, found: bytes) -> None:
        """Keep what was found just now."""
        await _keep(self._steps, found=found, ttl_s=KEPT_S)
