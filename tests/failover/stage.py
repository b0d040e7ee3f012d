"""A bridge on a primary with one replica and three Sentinels, with clients that work it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from tests.chaos.scale import Scale
from tests.chaos.storm import Storm, storm
from tests.sentinels import HASTE_MS, Replicated, replicated

FENCED = ("min-replicas-to-write 1", "min-replicas-max-lag 10")
"""What docs/deploying.md has operators set."""


@contextlib.asynccontextmanager
async def staged(
    folder: Path,
    seed: str,
    scale: Scale,
    *,
    down_after_ms: int,
    periods_ms: Mapping[str, int] = HASTE_MS,
) -> AsyncIterator[tuple[Storm, Replicated]]:
    """Set the stage; what is promised is on both servers."""
    async with replicated(
        folder / "replicated",
        down_after_ms=down_after_ms,
        settings=FENCED,
        periods_ms=periods_ms,
    ) as group:
        settings = {"BRIDGE_REDIS_URL": group.url, "BRIDGE_REPLICAS_MIN": "1"}
        async with storm(folder, seed, scale, **settings) as raised:
            yield raised, group
