"""The console's list of processes, and of clients that wait."""

import asyncio
import os
import socket

from bridge import __version__
from bridge.ending import end
from bridge.models import ProcessId
from bridge.store.processes import ProcessStore
from tests.apps import there
from tests.doors.conftest import DESK
from tests.doors.console.operating import ALICE, desktop
from tests.doors.console.test_now import standing
from tests.waiting import wait_until


async def test_each_process_tells_what_it_is_and_does_by_its_own_heartbeat(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()

        async def has_told() -> bool:
            return f"pid {os.getpid()}" in await desk.show("/processes")

        await wait_until(has_told, "a heartbeat")
        page = await desk.show("/processes")
    assert socket.gethostname() in page
    assert f">{__version__}<" in page
    assert 'class="status alive"' in page


async def test_a_process_of_an_earlier_version_is_listed_without_a_report(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        steps = desk.door.runtime.steps
        await ProcessStore(steps, ProcessId("worker-old")).beat()
        await desk.log_in()
        page = await desk.show("/processes")
    assert "worker-old" in page
    assert "says nothing of itself" in page


async def test_clients_that_wait_are_counted_by_what_they_wait_for(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        takers = desk.door.runtime.mcp.takers
        waiting = [
            asyncio.create_task(takers.take(DESK, ALICE, hook, 60, there))
            for hook in (None, "letters", "letters")
        ]
        await desk.log_in()

        async def all_wait() -> bool:
            told = standing(await desk.show(""))
            return (told.get("desk/any hook"), told.get("desk/letters")) == ("1", "2")

        await wait_until(all_wait, "three takers in line")
        await end(*waiting)
