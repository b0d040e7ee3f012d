"""The short form of the failovers; `make failover` has fifty."""

from pathlib import Path

import pytest

from tests.chaos.scale import Scale
from tests.failover.rounds import Failovers
from tests.failover.stage import staged

SCALE = Scale(clients=1, takers=2, senders=2, fault_gap_s=(1, 1), work_s=1.0)
DOWN_AFTER_MS = 700


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_failovers_lose_nothing_accepted_and_run_nothing_twice(tmp_path: Path) -> None:
    async with staged(tmp_path, "short", SCALE, down_after_ms=DOWN_AFTER_MS) as (raised, group):
        failovers = Failovers(group, raised.book, count=2)
        await raised.go_through(failovers.run())
        ledger = await raised.ledger()
    assert (ledger.lost, ledger.twice, ledger.wrong) == ([], [], [])
    assert len(failovers.struck) == 2
    assert ledger.calls
    assert ledger.events
