"""A version that brings another layout of records: it waits for this one, which then stands aside.

The later version is the one at hand but for the number of its newest layout.
"""

import asyncio
import shutil
import signal
from os import fsdecode
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bridge.store.keys import PREFIX
from bridge.store.layout import NEWEST
from tests.bridge_processes import ROOT, Child
from tests.upgrade.desk import PATIENCE_S
from tests.upgrade.earlier import PACKAGES
from tests.upgrade.scenarios.credentials import command
from tests.upgrade.stage import Setting, setting
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

LATER = NEWEST + 1
FAULT = "the store is written in a later layout"


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Return the folder with a version that knows one more layout."""
    tree = tmp_path / "later"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package)
    file = tree / "bridge/store/layout.py"
    file.write_text(file.read_text().replace(f"NEWEST = {NEWEST}\n", f"NEWEST = {LATER}\n"))
    return tree


async def test_the_layout_changes_when_all_can_read_it_and_who_cannot_stands_aside(
    tmp_path: Path, later: Path, earlier: Path
) -> None:
    """An earlier process, which would misread all later layouts, holds the change up as long."""
    async with setting(tmp_path, (ROOT,)) as stage, redis_of(stage) as redis:
        web, worker = await asyncio.gather(stage.bridge.add_web(), stage.bridge.add_worker())
        stage.bridge.trees = (earlier,)
        oldest = await stage.bridge.add_web()
        stage.bridge.trees = (later,)
        _, later_worker = await asyncio.gather(stage.bridge.add_web(), stage.bridge.add_worker())
        for child in (web, worker):
            child.send_signal(signal.SIGSTOP)
        await leads(redis, later_worker)
        desk = stage.desk(2, "desk")
        before = await desk.sent("queued", {"n": 1})
        assert (await layout(redis), await version(redis, before)) == (NEWEST, NEWEST)
        oldest.kill()

        await wait_until(lambda: is_at(redis, LATER), "the later layout", PATIENCE_S)

        after = await desk.sent("queued", {"n": 2})
        assert (await version(redis, before), await version(redis, after)) == (NEWEST, LATER)
        for child in (web, worker):
            child.send_signal(signal.SIGCONT)
        assert await worker.ended() == 1
        assert FAULT in worker.log
        await wait_until(lambda: is_aside(stage, web), "the web process says why", PATIENCE_S)
        assert (await stage.desk(0, "desk").send("queued", {"n": 3})).status_code == 503
        with pytest.raises(AssertionError, match="ended before it was ready"):
            await worker.start()
        assert FAULT in worker.log
        with pytest.raises(AssertionError, match=f"{FAULT}.*after that$"):
            await command(stage.desk(0, "desk"), "events", "ls")
        taken = [(await desk.take("queued"))["event_id"] for _ in range(2)]
        assert taken == [before, after]


def redis_of(stage: Setting) -> Redis:
    return Redis.from_url(stage.bridge.valkey.url)


async def layout(redis: Redis) -> int:
    """Read the layout of the store."""
    return int(await redis.get(f"{PREFIX}layout") or 0)


async def is_at(redis: Redis, number: int) -> bool:
    return await layout(redis) == number


async def version(redis: Redis, event_id: str) -> int:
    """Read in which layout an event is."""
    return int(await redis.hget(f"{PREFIX}event:{event_id}", "v") or 0)


async def leads(redis: Redis, worker: Child) -> None:
    """Wait until a worker is the one that sweeps."""

    async def does() -> bool:
        leader = await redis.get(f"{PREFIX}sweeper")
        return leader is not None and fsdecode(leader) in worker.log

    await wait_until(does, f"{worker.name} leads", PATIENCE_S)


async def is_aside(stage: Setting, web: Child) -> bool:
    """Report whether a web process says at /readyz that it cannot read the store."""
    answer = await stage.bridge.http.get(f"{web.url}/readyz")
    return answer.status_code == 503 and FAULT in answer.json()["reason"]
