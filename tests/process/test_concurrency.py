"""A workflow runs no more often at once than its file allows, however many workers there are."""

import asyncio
from itertools import accumulate
from pathlib import Path

from bridge.standin.seen import Seen
from tests.bridge_processes import running_bridge
from tests.journeys import end_of, start_call
from tests.waiting import wait_until

CALLS, AT_ONCE = 12, 3
SHORT_S, FOREVER_S = 0.8, 60.0
"""So long that on a busy machine too the next ones begin before the first one ends."""


async def test_calls_wait_for_their_turn_over_all_workers(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, workers=2) as bridge, bridge.claude() as client:
        starting = (start_call(client, "narrow", f"{n}", SHORT_S) for n in range(CALLS))
        ids = await asyncio.gather(*starting)

        ended = await asyncio.gather(*(end_of(client, call_id) for call_id in ids))

        assert {call["status"] for call in ended} == {"succeeded"}
        assert most_at_once(bridge.runs()) == AT_ONCE


async def test_a_killed_worker_takes_no_turn_with_it(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        for n in range(AT_ONCE):
            await start_call(client, "narrow", f"{n}", FOREVER_S)
        await wait_until(lambda: len(bridge.runs()) == AT_ONCE, "n8n has as many as may run")
        waiting = await start_call(client, "narrow", "waiting")
        await bridge.add_worker()
        bridge.workers[0].kill()

        assert (await end_of(client, waiting))["status"] == "succeeded"


def most_at_once(runs: list[Seen]) -> int:
    """Count how many requests n8n had open at once, at most."""
    changes = [(run.started_at, 1) for run in runs]
    changes += [(run.finished_at, -1) for run in runs if run.finished_at]
    return max(accumulate(change for _, change in sorted(changes)))


async def test_one_caller_alone_fills_a_worker_and_no_more(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, workers=0) as bridge, bridge.claude() as client:
        ids = [await start_call(client, "once", f"{n}", SHORT_S) for n in range(CALLS)]
        await bridge.add_worker(concurrency=4)

        ended = await asyncio.gather(*(end_of(client, call_id) for call_id in ids))

        assert {call["status"] for call in ended} == {"succeeded"}
        assert most_at_once(bridge.runs()) == 4
