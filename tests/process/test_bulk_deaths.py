"""A worker that is killed in the middle of a bulk act leaves it to another, which does the rest."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.bridge_processes import SERVER, Bridge, running_bridge
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

EVENTS = 60
TAKEN_OVER_S = 40.0


async def ask(bridge: Bridge, path: str, said: dict[str, Any]) -> dict[str, Any]:
    answer = await bridge.http.post(f"{bridge.webs[0].url}{path}", json=said)
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


async def counted(bridge: Bridge) -> dict[str, Any]:
    wish = {"records": "events", "act": "run-again", "filter": {"server": SERVER}}
    return await ask(bridge, "/bulk", wish)


async def test_what_was_run_again_is_not_run_again_by_the_worker_that_takes_over(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path, workers=0) as bridge:
        for _ in range(EVENTS):
            await bridge.send("?")
        bulk = await counted(bridge)
        assert bulk["count"] == EVENTS
        address = f"/bulk/{bulk['bulk_id']}"
        doomed = await bridge.add_worker("bulk-record-run-again")
        await ask(bridge, f"{address}/confirm", {"count": EVENTS})
        assert await doomed.ended() == -signal.SIGKILL
        await bridge.add_worker()

        async def is_done() -> bool:
            told = await bridge.http.get(f"{bridge.webs[0].url}{address}")
            return bool(told.json()["status"] == "done")

        await wait_until(is_done, "another worker has done the rest", TAKEN_OVER_S)
        ended = (await bridge.http.get(f"{bridge.webs[0].url}{address}")).json()
        assert (ended["done"], ended["refused"], ended["left"]) == (EVENTS, 0, 0)
        assert (await counted(bridge))["count"] == 2 * EVENTS
