"""Processes of both versions at once: what one of them begins, another goes on with.

In both directions, each on a server of its own: from the earlier version to the one at hand, and
back.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bridge_processes import ROOT
from tests.upgrade.scenario import Performance, Scenario
from tests.upgrade.server_file import SERVERS
from tests.upgrade.stage import SCENARIOS, Setting, setting

pytestmark = pytest.mark.timeout(300)

PERFORMED = [scenario for scenario in SCENARIOS if not scenario.needs_deaths]
THERE, BACK = SERVERS
EARLIER, AT_HAND = range(2)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, earlier: Path) -> AsyncIterator[Setting]:
    """Run a web process of each version, and no worker yet."""
    async with setting(tmp_path_factory.mktemp("beside"), (earlier, ROOT)) as stage:
        await asyncio.gather(*(stage.bridge.add_web() for _ in range(2)))
        yield stage


@pytest.fixture(scope="module")
async def performances(stage: Setting) -> dict[str, Performance]:
    """Go through every scenario in both directions, and leave a worker of each version running."""
    found = {
        server: Performance(stage.between(stage.desk(before, server), stage.desk(after, server)))
        for server, before, after in ((THERE, EARLIER, AT_HAND), (BACK, AT_HAND, EARLIER))
    }
    await begin(found, needs_no_worker=True)
    await asyncio.gather(*(stage.bridge.add_worker() for _ in range(2)))
    await begin(found, needs_no_worker=False)
    stage.gate.set()
    await asyncio.gather(*(each.end() for each in found.values()))
    return found


async def begin(performances: dict[str, Performance], *, needs_no_worker: bool) -> None:
    """Begin the scenarios of one kind in both directions."""
    begun = [each for each in PERFORMED if each.needs_no_worker == needs_no_worker]
    await asyncio.gather(*(each.begin(begun) for each in performances.values()))


@pytest.mark.parametrize("server", SERVERS, ids=["there", "back"])
@pytest.mark.parametrize("scenario", PERFORMED, ids=lambda scenario: scenario.name)
async def test_what_one_version_began_the_other_ends(
    performances: dict[str, Performance], scenario: Scenario, server: str
) -> None:
    fault = performances[server].faults.get(scenario.name)
    if fault is not None:
        raise fault


async def test_a_worker_of_either_version_runs_the_calls_of_both(
    performances: dict[str, Performance], stage: Setting
) -> None:
    """The worker that is killed first is of the version at hand, and comes back as neither."""
    assert performances
    worker, other = stage.bridge.workers
    other.kill()
    for version in ("earlier", "at-hand"):
        labels = [f"{version} {web}" for web in (EARLIER, AT_HAND)]
        told = [
            await stage.desk(web, THERE).use("waits", label=label, seconds=0)
            for web, label in enumerate(labels)
        ]
        assert [each["label"] for each in told] == labels
        assert [len(stage.bridge.runs(label)) for label in labels] == [1, 1]
        worker.kill()
        await worker.ended()
        await worker.start()


async def test_no_job_was_unknown_and_no_error_was_logged(
    performances: dict[str, Performance], stage: Setting
) -> None:
    assert performances
    assert await stage.faults() == []
