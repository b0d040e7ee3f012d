"""Every process is replaced in turn under load, and no call of any client fails."""

from pathlib import Path

import pytest

from tests.chaos.rolling import roll
from tests.chaos.scale import NOBODY
from tests.chaos.storm import storm

PROCESSES = 4


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_no_call_fails_while_every_process_is_replaced(tmp_path: Path) -> None:
    async with storm(tmp_path, "rolling", NOBODY) as quiet:
        done = await roll(quiet, rounds=1, clients=2)
    assert done.failures == []
    assert done.restarts == PROCESSES
    assert done.calls > PROCESSES
