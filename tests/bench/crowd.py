"""As many calls as one worker is asked to wait for, and what each takes of its memory."""

import asyncio
from dataclasses import dataclass
from time import perf_counter

from tests.bench.connection import Connection
from tests.bench.figures import Figure, Goal, Row
from tests.bench.load import press
from tests.bench.memory import resident_kb, resident_peak_kb
from tests.bench.scale import Scale
from tests.bench.stage import Stage, set_up
from tests.bench.tool_call import calls

OPENING = 64
KIB_A_CALL = 20.0


@dataclass(frozen=True)
class Crowded:
    """What each of many waiting calls takes of the worker, and how long all took."""

    kib_a_call: float
    wall_s: float


async def measure(scale: Scale) -> Row:
    """Have one worker wait for all of them at once."""
    rounds: list[Crowded] = []
    async with set_up() as stage:
        rounds += [await _crowd(stage, scale) for _ in range(min(scale.rounds, 2))]
    return Row(
        "Many waiting calls",
        f"{scale.crowd:,} tool calls that each wait {scale.crowd_wait_s:g} s in n8n, in one worker "
        f"(`--concurrency {scale.crowd}`), from the first request to the last answer.",
        (
            Figure(
                "memory of the worker a call, KiB",
                [each.kib_a_call for each in rounds],
                goal=Goal(KIB_A_CALL, is_ratio=False),
            ),
            Figure(
                "until all are answered, s",
                [each.wall_s for each in rounds],
                "the wait alone",
                [scale.crowd_wait_s],
            ),
        ),
        ("Memory is what the largest resident set has over the one before, shared out.",),
    )


async def _crowd(stage: Stage, scale: Scale) -> Crowded:
    await stage.clear()
    options = ("--concurrency", str(scale.crowd))
    async with stage.web() as web, stage.worker(options=options) as worker:
        await press(web.port, 1, scale.warm_s, calls("/mcp/demo", "slow_tool"))
        before_kb, began = resident_kb(worker.pid), perf_counter()
        room = asyncio.Semaphore(OPENING)
        questions = calls("/mcp/demo", "slow_tool", scale.crowd_wait_s)

        async def call() -> None:
            async with room:
                connection = await Connection.open(web.port)
            await next(questions).done(connection)
            connection.close()

        await asyncio.gather(*(call() for _ in range(scale.crowd)))
        grown_kb = resident_peak_kb(worker.pid) - before_kb
        return Crowded(max(grown_kb, 0.1) / scale.crowd, perf_counter() - began)
