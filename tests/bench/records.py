"""How long the operators' commands take to list, search and count what is on record."""

import asyncio
import os
import sys
from time import perf_counter

from tests.bench.figures import Figure, Goal, Row
from tests.bench.filling import fill_events
from tests.bench.program import ROOT
from tests.bench.scale import Scale
from tests.bench.stage import Stage, set_up

BODY = b'{"question": "Which plan fits us?"}'
SHOWN = 10_000
COMMANDS = {
    f"a table of {SHOWN:,} events, s": ("--limit", str(SHOWN)),
    "the same as JSON, s": ("--limit", str(SHOWN), "--json"),
    "a text that is in none, s": ("--search", "nowhere"),
    "how many of each status, s": ("--count",),
    "the newest event alone, s": ("--limit", "1"),
}
GOALS = {f"a table of {SHOWN:,} events, s": Goal(1, is_ratio=False)}


async def measure(scale: Scale) -> Row:
    """Have many events on record, and list them in one way after the other."""
    taken = {what: list[float]() for what in COMMANDS}
    async with set_up() as stage:
        await fill_events(stage, BODY, scale.on_record)
        for _ in range(scale.rounds):
            for what, options in COMMANDS.items():
                taken[what].append(await _ended(stage, *options))
    return Row(
        "Lists for operators",
        f"`n8n-bridge events ls` with {scale.on_record:,} events on record, from its start to its "
        "end; the last row is one that finds at once what it looks for.",
        [Figure(what, found, goal=GOALS.get(what)) for what, found in taken.items()],
    )


async def _ended(stage: Stage, *options: str) -> float:
    """Return how long a list takes, all of it read."""
    environ = {name: value for name, value in os.environ.items() if "BRIDGE_" not in name}
    began = perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "events", "ls", *options),
        cwd=ROOT,
        env=environ | {"BRIDGE_REDIS_URL": stage.redis_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.communicate()
    assert process.returncode == 0
    return perf_counter() - began
