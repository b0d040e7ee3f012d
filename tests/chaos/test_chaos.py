"""The short form of the chaos; `make chaos` runs it for minutes."""

from pathlib import Path

import pytest

from tests.chaos.scale import SHORT
from tests.chaos.storm import storm

SEED = "short"
SECONDS = 8.0


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_nothing_accepted_is_lost_or_run_twice_whatever_fails(tmp_path: Path) -> None:
    async with storm(tmp_path, SEED, SHORT) as raised:
        await raised.rage(SECONDS)
        ledger = await raised.ledger()
    assert (ledger.lost, ledger.twice, ledger.wrong) == ([], [], [])
    assert ledger.book.faults
    assert ledger.calls
    assert ledger.events
    assert ledger.book.approved_at
