"""A thousand calls that wait on n8n at once, in one worker."""

import asyncio
import statistics
from dataclasses import dataclass
from time import perf_counter

from redis import Redis
from rq import Queue, Worker
from rq.registry import FinishedJobRegistry
from rq.serializers import JSONSerializer

from tests.bench.connection import Connection
from tests.bench.figures import Figure, Row
from tests.bench.load import press
from tests.bench.memory import KB_A_MB, family_kb, resident_peak_kb
from tests.bench.scale import Scale
from tests.bench.stage import Stage, set_up
from tests.bench.tool_call import calls

JOB = "tests.bench.peers.waiting.wait_in_n8n"
QUEUE = "bench"
POLL_S = 0.02
LOOK_S = 0.2
EXTRAPOLATED = (
    "Stock RQ forks a process for each job, so only {calls} calls by {workers} workers were "
    "measured: {wall_s:.1f} s, and {memory_mb:.0f} MB that they share with nobody. The time in the "
    "table is for {all} calls by as many workers; the memory is for {all} workers, which is what "
    "it takes to wait for all at once."
)


@dataclass(frozen=True)
class Waited:
    """How long it took until all had waited, and the memory of who ran them."""

    wall_s: float
    memory_mb: float


async def measure(scale: Scale) -> Row:
    """Have one worker wait for many calls, and stock RQ workers for as many as they can."""
    ours: list[Waited] = []
    theirs: list[Waited] = []
    async with set_up() as stage:
        for _ in range(scale.rounds):
            ours.append(await _worker(stage, scale))
            theirs.append(await _pool(stage, scale))
    return _row(scale, ours, theirs)


def _row(scale: Scale, ours: list[Waited], theirs: list[Waited]) -> Row:
    walls_s = [each.wall_s for each in ours]
    pool = f"`rq worker-pool -n {scale.pool_workers}`, extrapolated"
    times, width = scale.waiting / scale.pool_calls, scale.waiting / scale.pool_workers
    return Row(
        "Waiting calls",
        f"{scale.waiting} tool calls at once, each of which waits {scale.wait_s:g} s in n8n, in "
        "one worker; from the first request to the last answer, through the web process.",
        (
            Figure("until all are answered, s", walls_s, "the wait alone", [scale.wait_s]),
            Figure(
                "until all are answered, s", walls_s, pool, [each.wall_s * times for each in theirs]
            ),
            Figure(
                "memory of the workers, MB",
                [each.memory_mb for each in ours],
                pool,
                [each.memory_mb * width for each in theirs],
            ),
        ),
        (
            "The bridge's memory is the largest resident set of its one worker, all it shares "
            "included.",
            EXTRAPOLATED.format(
                calls=scale.pool_calls,
                workers=scale.pool_workers,
                all=scale.waiting,
                wall_s=statistics.median(each.wall_s for each in theirs),
                memory_mb=statistics.median(each.memory_mb for each in theirs),
            ),
        ),
    )


async def _worker(stage: Stage, scale: Scale) -> Waited:
    await stage.clear()
    async with stage.web() as web, stage.worker() as worker:
        await press(web.port, 1, 0, calls("/mcp/demo", "slow_tool"))
        questions = calls("/mcp/demo", "slow_tool", scale.wait_s)
        every = await asyncio.gather(*(Connection.open(web.port) for _ in range(scale.waiting)))
        began = perf_counter()
        await asyncio.gather(
            *(question.done(one) for one, question in zip(every, questions, strict=False))
        )
        wall_s = perf_counter() - began
        for connection in every:
            connection.close()
        return Waited(wall_s, resident_peak_kb(worker.pid) / KB_A_MB)


async def _pool(stage: Stage, scale: Scale) -> Waited:
    await stage.clear()
    url = f"{stage.n8n_url}/webhook/slow-tool"
    async with stage.pool(scale.pool_workers, QUEUE) as pool:
        with Redis.from_url(stage.redis_url) as client:
            queue = Queue(QUEUE, connection=client, serializer=JSONSerializer)
            finished = FinishedJobRegistry(queue=queue)
            while Worker.count(queue=queue) < scale.pool_workers:
                await asyncio.sleep(POLL_S)
            began, memory_kb = perf_counter(), 0
            job = Queue.prepare_data(JOB, (url, scale.wait_s))
            queue.enqueue_many([job] * scale.pool_calls)
            while finished.count < scale.pool_calls:
                memory_kb = max(memory_kb, family_kb(pool.pid))
                await asyncio.sleep(LOOK_S)
            return Waited(perf_counter() - began, memory_kb / KB_A_MB)
