"""The short form of the storm over two versions; `make upgrade` runs it for minutes."""

from pathlib import Path

import pytest

from tests.upgrade.storm import KILLS, rage

SEED = "short"
SECONDS = 8.0


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_nothing_is_lost_or_run_twice_while_each_start_is_of_the_other_version(
    tmp_path: Path, earlier: Path
) -> None:
    ledger = await rage(tmp_path, earlier, SEED, SECONDS, KILLS)
    assert (ledger.lost, ledger.twice, ledger.wrong) == ([], [], [])
    assert ledger.book.faults
    assert ledger.calls
    assert ledger.events
