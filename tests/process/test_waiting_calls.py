"""One worker waits for many calls at once."""

import asyncio
from pathlib import Path

from tests.bridge_processes import label_of, running_bridge
from tests.claude import use
from tests.waiting import wait_until

CALLS = 200
LONG_S = 300
TIMEOUT_S = 40


async def test_one_worker_waits_for_200_calls_at_once(tmp_path: Path) -> None:
    """Each takes longer than the test, so that none can end before the last is sent."""
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        labels = [f"{n}" for n in range(CALLS)]
        await asyncio.gather(
            *(use(client, "once", label=label, seconds=LONG_S) for label in labels)
        )
        await wait_until(lambda: len(bridge.runs()) >= CALLS, "n8n has all of them", TIMEOUT_S)
        assert {label_of(run) for run in bridge.runs()} == set(labels)
        assert not [run for run in bridge.runs() if run.finished_at]
