"""Calls that must be approved, beside a worker of a version that knows of no approval."""

import json
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bridge.queue import Queue
from tests.bridge_processes import ROOT, Bridge, running_bridge
from tests.journeys import end_of, start_call
from tests.upgrade.stage import FAILED_JOBS
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

OPERATOR = "the-operators-token"


async def approve(bridge: Bridge) -> None:
    """Approve of the one call that waits."""
    headers, origin = {"authorization": f"Bearer {OPERATOR}"}, bridge.webs[0].url
    found = (await bridge.http.get(f"{origin}/approvals", headers=headers)).json()
    (waiting,) = found["approvals"]
    answer = await bridge.http.post(
        f"{origin}/calls/{waiting['call_id']}/approve",
        headers=headers,
        json={"digest": waiting["digest"]},
    )
    assert answer.status_code == 200, answer.text


async def test_an_earlier_worker_runs_no_call_that_waits_whatever_leads_it_there(
    tmp_path: Path, earlier: Path
) -> None:
    async with running_bridge(
        tmp_path, webs=0, workers=0, BRIDGE_OPERATOR_TOKEN=OPERATOR
    ) as bridge:
        (file,) = (tmp_path / "servers").iterdir()
        server = json.loads(file.read_text())
        server["workflows"]["once"] |= {"approve": "always", "answer_inline_for": 0}
        file.write_text(json.dumps(server))
        bridge.trees = (ROOT,)
        await bridge.add_web()
        bridge.trees = (earlier,)
        worker = await bridge.add_worker()
        async with bridge.claude() as client, Redis.from_url(bridge.valkey.url) as redis:
            call_id = await start_call(client, "once", "gated", 0)
            name = server["name"]
            far_ms = 9_999_999_999_999
            await redis.zadd(f"{{bridge}}:slots:{name}:once", {call_id: far_ms})
            await redis.zadd("{bridge}:placed", {call_id: far_ms})
            await redis.zadd("{bridge}:due_calls", {call_id: 1})
            await Queue(redis).wake("run_call", call_id)

            async def has_tried() -> bool:
                return bool(await redis.zcard(FAILED_JOBS)) or "approv" in worker.log

            await wait_until(has_tried, "the earlier worker has tried to run it")
            assert bridge.runs("gated") == []
            assert await redis.hget(f"{{bridge}}:call:{call_id}", "status") == b"queued"

            worker.kill()
            await worker.ended()
            bridge.trees = (ROOT,)
            await bridge.add_worker()
            await approve(bridge)
            assert (await end_of(client, call_id))["status"] == "succeeded"
            assert len(bridge.runs("gated")) == 1
