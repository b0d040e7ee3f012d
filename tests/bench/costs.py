"""What each process takes of a unit of work: what the simulation in `tests/scale` is fed with."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

from tests.bench.cpu import cpu_s
from tests.bench.figures import Figure, Row
from tests.bench.ingest import HOOK
from tests.bench.load import Side, press
from tests.bench.scale import Scale
from tests.bench.stage import Stage, set_up
from tests.bench.tool_call import calls

OTHERS = "other processes, share of the machine"


async def measure(scale: Scale) -> Row:
    """Bear each load, and look at every process that has a part in it."""
    figures: list[Figure] = []
    async with set_up() as stage, stage.web() as web, stage.worker() as worker:
        await press(web.port, 1, scale.warm_s, calls("/mcp/demo", "slow_tool"))
        pids = {
            "load": os.getpid(),
            "web": web.pid,
            "worker": worker.pid,
            "store": stage.valkey_pid,
            "n8n": stage.n8n_pid,
        }
        for unit, work, crowds in (
            ("hook", itertools.repeat(HOOK), scale.hook_crowds),
            ("call", calls("/mcp/demo", "slow_tool"), scale.call_crowds),
        ):
            for clients in crowds:
                side = Side(f"{unit}, {clients} at once", web.port, work)
                figures += await _costs(stage, side, clients, pids, scale)
    return Row(
        "What each process takes",
        "Hook requests of 1 KB and calls that do nothing, by so many clients, on one web process "
        "and one worker; for each process the CPU it uses a unit. The load is the process that "
        "asks. These are what the simulation behind [scale](scale.md) is fed with and checked "
        "against.",
        figures,
    )


async def _costs(
    stage: Stage, side: Side, clients: int, pids: Mapping[str, int], scale: Scale
) -> list[Figure]:
    found: dict[str, list[float]] = {name: [] for name in ("per_s", "p50_ms", *pids, OTHERS)}
    for _ in range(scale.rounds):
        await stage.clear()
        await press(side.port, clients, scale.warm_s, side.work)
        before, machine_before = _used(pids), machine_s()
        load = await press(side.port, clients, scale.load_s, side.work)
        used, (busy_s, all_s) = _used(pids), machine_s()
        for name in pids:
            found[name].append((used[name] - before[name]) / load.answers * 1000)
        ours_s = sum(used[name] - before[name] for name in pids)
        others_s = busy_s - machine_before[0] - ours_s
        found[OTHERS].append(max(0.0, others_s / (all_s - machine_before[1])))
        found["per_s"].append(load.per_s)
        found["p50_ms"].append(load.p50_ms)
    names = {"per_s": "a second", "p50_ms": "p50 ms", OTHERS: OTHERS}
    return [
        Figure(
            f"{side.name}: {names.get(name, f'ms of CPU in {name}')}",
            samples,
            more_is_better=name == "per_s",
        )
        for name, samples in found.items()
    ]


def _used(pids: Mapping[str, int]) -> Mapping[str, float]:
    return {name: cpu_s([pid]) for name, pid in pids.items()}


def machine_s() -> tuple[float, float]:
    """Return the seconds that all cores have worked, and have been there, since the start."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    times = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]
    idle_s = times[3] + times[4]
    return sum(times) - idle_s, sum(times)
