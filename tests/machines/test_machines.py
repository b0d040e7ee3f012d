"""The short form of many machines; `make machines` goes 20 rounds."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT

import pytest

from bridge.local.die_with_parent import tied_to_parent
from tests.machines.hosts import NAMESPACES, NoHostsError, network
from tests.processes import ROOT

MAKES_A_HOST = """
import asyncio
from tests.machines.hosts import network

async def make():
    async with network("host") as hosts:
        print(hosts["host"].namespace, flush=True)
        await asyncio.Event().wait()

asyncio.run(make())
"""


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *tied_to_parent(sys.executable, *arguments), cwd=ROOT, stdout=PIPE, stderr=STDOUT
    )


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_nothing_accepted_is_lost_or_run_twice_when_hosts_are_cut_off() -> None:
    process = await started("-m", "tests.machines", "--short")
    said, _ = await process.communicate()
    if process.returncode == os.EX_UNAVAILABLE:
        pytest.skip(said.decode().splitlines()[-1])
    assert process.returncode == 0, said.decode()


async def test_what_a_killed_run_has_left_is_removed_by_the_next() -> None:
    try:
        async with network("host"):
            pass
    except NoHostsError as error:
        pytest.skip(f"this system makes no hosts of network namespaces: {error}")
    process = await started("-c", MAKES_A_HOST)
    assert process.stdout
    namespace = (await process.stdout.readline()).decode().strip()
    assert (NAMESPACES / namespace).exists()
    process.kill()
    await process.wait()
    async with network("host"):
        assert not (NAMESPACES / namespace).exists()
