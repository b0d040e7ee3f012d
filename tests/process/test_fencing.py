"""A primary that was replaced, and does not know it, is promised nothing by."""

import asyncio
from pathlib import Path

import pytest

from tests.bridge_processes import running_bridge
from tests.sentinels import replicated


@pytest.mark.timeout(90)
async def test_a_primary_that_was_replaced_and_does_not_know_it_answers_503(tmp_path: Path) -> None:
    async with replicated(tmp_path / "replicated") as group:
        old = await group.primary()
        async with running_bridge(
            tmp_path, workers=0, BRIDGE_REDIS_URL=old.url, BRIDGE_REPLICAS_MIN="1"
        ) as bridge:
            assert (await bridge.send({"n": 1})).status_code == 202

            old.freeze()
            await group.successor_of(old)
            for sentinel in group.sentinels:
                await sentinel.kill()  # so that nobody tells it
            old.thaw()
            refused, ready = await asyncio.gather(
                bridge.send({"n": 2}), bridge.http.get(f"{bridge.webs[0].url}/readyz")
            )

            assert (await old.ask("ROLE"))[0] == "master"
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert "fewer replicas than BRIDGE_REPLICAS_MIN=1" in refused.json()["detail"]
            assert ready.status_code == 503
