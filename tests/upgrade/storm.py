"""A storm over two versions: whatever is killed or stopped starts again as the other one."""

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

from tests.bridge_processes import ROOT
from tests.chaos.ledger import Ledger
from tests.chaos.scale import SHORT
from tests.chaos.storm import storm

KILLS = frozenset({"kill -9 web", "kill -9 worker"})


async def rage(
    folder: Path, earlier: Path, seed: str, seconds: float, kinds: Container[str] | None = None
) -> Ledger:
    """Have callers and senders work for so long while processes change their version.

    Only faults of these kinds strike, if any are given.
    """
    async with storm(folder, seed, replace(SHORT, trees=(earlier, ROOT))) as raised:
        await raised.rage(seconds, kinds)
        return await raised.ledger()
