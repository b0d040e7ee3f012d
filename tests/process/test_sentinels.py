"""The servers that stand in for a replicated Redis behave as their operators know them."""

from pathlib import Path

import pytest

from tests.sentinels import replicated


@pytest.mark.timeout(120)
async def test_a_failover_by_command_by_death_and_by_a_frozen_primary(tmp_path: Path) -> None:
    async with replicated(tmp_path) as group:
        first = await group.primary()
        second = await group.fail_over()
        await group.settled()
        await second.kill()
        assert await group.successor_of(second) is first
        await second.start()
        await group.settled()
        first.freeze()
        assert await group.successor_of(first) is second
        first.thaw()
        await group.settled()
