"""One worker waits for many calls at once."""

import asyncio
from pathlib import Path

from tests.bridge_processes import running_bridge
from tests.claude import use

CALLS = 200
EACH_S = 5
WITHIN_S = 8.0


async def test_200_calls_of_five_seconds_end_within_eight_on_one_worker(tmp_path: Path) -> None:
    now = asyncio.get_running_loop().time
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        began_at = now()
        results = await asyncio.gather(
            *(use(client, "inline", label=f"{n}", seconds=EACH_S) for n in range(CALLS))
        )
        took_s = now() - began_at
        assert [result["label"] for result in results] == [f"{n}" for n in range(CALLS)]
        assert len(bridge.runs()) == CALLS
    assert took_s < WITHIN_S
