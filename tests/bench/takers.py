"""What it costs Valkey that clients wait for events that do not come."""

import asyncio
import json

from tests.bench.connection import Connection
from tests.bench.cpu import cpu_s
from tests.bench.figures import Figure, Goal, Row
from tests.bench.load import Question
from tests.bench.scale import Scale
from tests.bench.stage import Stage, set_up
from tests.bench.tool_call import spelled
from tests.waiting import takers_in_line, wait_until

MOST_PERCENT = 1.0
SETTLED_S = 30.0


async def measure(scale: Scale) -> Row:
    """Have few and many wait, and look at what Valkey takes of a core meanwhile."""
    shares: dict[int, list[float]] = {count: [] for count in scale.takers}
    async with set_up() as stage:
        for _ in range(scale.rounds):
            for count, found in shares.items():
                found.append(await _share(stage, count, scale.load_s))
    few, many = scale.takers
    return Row(
        "Waiting `take_event`",
        f"So many `take_event` with `wait_seconds: 300` on one web process, no event for "
        f"{scale.load_s:g} s.",
        (
            Figure(
                f"Valkey with {many} waiting, % of a core",
                shares[many],
                f"{few} waiting",
                shares[few],
                goal=Goal(MOST_PERCENT, is_ratio=False),
            ),
        ),
        (
            "Valkey's own idle ticks are a part of both: so small a share is held to a number, and "
            "not to its ratio.",
        ),
    )


async def _share(stage: Stage, count: int, for_s: float) -> float:
    """Return the percentage of a core that Valkey takes while so many wait."""
    await stage.clear()
    async with stage.web() as web:
        waiting = [await Connection.open(web.port) for _ in range(count)]
        tasks = [
            asyncio.create_task(_taken(number, connection))
            for number, connection in enumerate(waiting)
        ]
        async with stage.redis() as redis:

            async def are_in_line() -> bool:
                return await takers_in_line(redis) == count

            await wait_until(are_in_line, "all wait", SETTLED_S)
        before_s = cpu_s([stage.valkey_pid])
        await asyncio.sleep(for_s)
        share = (cpu_s([stage.valkey_pid]) - before_s) / for_s * 100
        assert not any(task.done() for task in tasks), "somebody did not wait"
        for task, connection in zip(tasks, waiting, strict=True):
            task.cancel()
            connection.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        return share


async def _taken(number: int, connection: Connection) -> object:
    request = spelled("/mcp/demo", "take_event", number, {"wait_seconds": 300})
    return json.loads(await Question(request, 200, b"").done(connection))
