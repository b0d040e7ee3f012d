"""A dead worker's calls are in other hands within ten seconds."""

import asyncio
import os
import signal
from pathlib import Path

from mcp.client import Client
from redis.asyncio import Redis

from tests.bridge_processes import Bridge, running_bridge
from tests.journeys import INTERRUPTED, end_of, start_call
from tests.processes import waited_s
from tests.waiting import wait_until

WITHIN_S = 10.0
CALLS = 20
SHORT_S, FOREVER_S = 2.0, 60.0


async def test_calls_of_a_killed_worker_are_failed_or_sent_again_within_ten_seconds(
    tmp_path: Path,
) -> None:
    """Held by what the bridge takes: that others have the cores is the machine's affair."""
    now = asyncio.get_running_loop().time
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        once = await started(bridge, client, "once")
        await started(bridge, client, "repeatable")
        # The first worker is the one that sweeps: the second must notice that too.
        heir = await bridge.add_worker()
        at_work = (os.getpid(), heir.pid, bridge.webs[0].pid, await bridge.store_pid())
        bridge.workers[0].kill()
        killed_at, waited_before_s = now(), waited_s(*at_work)
        ended = await asyncio.gather(*(end_of(client, call_id) for call_id in once))
        await wait_until(lambda: len(bridge.runs("repeatable")) == 2 * CALLS, "calls sent again")
        took_s = now() - killed_at - (waited_s(*at_work) - waited_before_s)
        assert {call["status"] for call in ended} == {"failed"}
        assert len(bridge.runs("once")) == CALLS
    assert took_s < WITHIN_S


async def test_a_worker_that_was_frozen_changes_nothing_that_is_in_other_hands(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        once = await start_call(client, "once", "once", SHORT_S)
        repeatable = await start_call(client, "repeatable", "repeatable", SHORT_S)
        await wait_until(lambda: len(bridge.runs()) == 2, "n8n has both calls")
        frozen = bridge.workers[0]
        frozen.send_signal(signal.SIGSTOP)
        heir = await bridge.add_worker()
        assert (await end_of(client, once))["status"] == "failed"
        again = await end_of(client, repeatable)
        heir.kill()
        frozen.send_signal(signal.SIGCONT)
        # A later call that it runs shows that it has done what it still had to do.
        await end_of(client, await start_call(client, "once", "later"))
        assert (await end_of(client, once))["failure"] == INTERRUPTED
        assert await end_of(client, repeatable) == again
        assert again["result"]["execution"] == bridge.runs("repeatable")[1].execution
        assert len(bridge.runs()) == 4


async def test_executions_that_a_killed_worker_followed_are_followed_on(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as bridge, bridge.claude() as client:
        calls = [start_call(client, "followed", f"{n}", SHORT_S) for n in range(CALLS)]
        ids = await asyncio.gather(*calls)

        async def are_known() -> bool:
            async with Redis.from_url(bridge.valkey.url, decode_responses=True) as redis:
                keys = [f"{{bridge}}:call:{call_id}" for call_id in ids]
                return all([await redis.hget(key, "execution") for key in keys])

        await wait_until(are_known, "every execution is on record")
        await bridge.add_worker()
        bridge.workers[0].kill()
        ended = await asyncio.gather(*(end_of(client, call_id) for call_id in ids))
        assert [call["status"] for call in ended] == ["succeeded"] * CALLS
        assert [call["result"]["label"] for call in ended] == [f"{n}" for n in range(CALLS)]
        assert len(bridge.runs()) == CALLS


async def started(bridge: Bridge, client: Client, tool: str) -> list[str]:
    """Start calls that outlast the test, and wait until n8n has them all; returns their ids."""
    calls = [start_call(client, tool, tool, FOREVER_S) for _ in range(CALLS)]
    ids = await asyncio.gather(*calls)
    await wait_until(lambda: len(bridge.runs(tool)) == CALLS, f"n8n has every {tool}")
    return ids
