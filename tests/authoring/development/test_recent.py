"""What is followed of events and calls, also where the store is away when it begins."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from bridge.authoring.development.activity import Activity
from bridge.authoring.development.recent import RecentActivity, follow
from bridge.cli.operating import operating
from bridge.ending import end
from bridge.local.valkey import EmbeddedValkey
from tests.waiting import wait_until


class Said:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def show(self, changed: Sequence[Activity], newest_first: Sequence[Activity]) -> None:
        pass


async def test_a_store_that_is_away_when_it_begins_is_one_sentence_and_waited_for(
    tmp_path: Path,
) -> None:
    valkey, said = EmbeddedValkey(tmp_path / "valkey"), Said()
    async with operating({"BRIDGE_REDIS_URL": valkey.url}) as operation:
        following = asyncio.create_task(follow(RecentActivity(operation.operators, 0), said))
        try:
            await wait_until(lambda: said.lines, "it is said")
            assert "the store does not answer" in said.lines[0]
            async with valkey:
                await wait_until(lambda: said.lines[1:], "it goes on")
            assert said.lines[1] == "the store answers again"
        finally:
            await end(following)
