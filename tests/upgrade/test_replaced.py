"""All processes of one version are killed, and those of the other go on with what they left.

In both directions: an upgrade, and the way back.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bridge_processes import ROOT, Child
from tests.upgrade.scenario import Performance, Scenario
from tests.upgrade.signals import NAMES, heard
from tests.upgrade.stage import SCENARIOS, setting

pytestmark = pytest.mark.timeout(300)

PERFORMED = [scenario for scenario in SCENARIOS if not scenario.needs_lives]


@dataclass
class Replaced:
    """What came of one direction."""

    performance: Performance
    signals: frozenset[str]
    """What processes of the first version rang."""

    faults: list[str]


@pytest.fixture(scope="module", params=["upgraded", "set-back"])
async def replaced(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, earlier: Path
) -> AsyncIterator[Replaced]:
    """Go through every scenario, in one direction."""
    trees = (earlier, ROOT) if request.param == "upgraded" else (ROOT, earlier)
    async with setting(tmp_path_factory.mktemp(request.param), trees) as stage:
        web, worker = await asyncio.gather(stage.bridge.add_web(), stage.bridge.add_worker())
        desk = stage.desk(0, "desk")
        performance = Performance(stage.between(desk, desk))
        async with heard(stage.bridge.valkey.url) as signals:
            await performance.begin([each for each in PERFORMED if not each.needs_no_worker])
            await killed(worker)
            await performance.begin([each for each in PERFORMED if each.needs_no_worker])
            await killed(web)
        await asyncio.gather(web.start(), worker.start())
        stage.gate.set()
        await performance.end()
        yield Replaced(performance, frozenset(signals), await stage.faults())


async def killed(child: Child) -> None:
    """Kill a process, and wait for its end."""
    child.kill()
    await child.ended()


@pytest.mark.parametrize("scenario", PERFORMED, ids=lambda scenario: scenario.name)
async def test_what_one_version_began_the_other_ends(
    replaced: Replaced, scenario: Scenario
) -> None:
    fault = replaced.performance.faults.get(scenario.name)
    if fault is not None:
        raise fault


async def test_each_version_rings_what_the_other_listens_for(replaced: Replaced) -> None:
    """A wake-up that nobody hears costs seconds and no more, so no scenario finds it out."""
    assert replaced.signals >= NAMES


async def test_no_job_was_unknown_and_no_error_was_logged(replaced: Replaced) -> None:
    assert replaced.faults == []
