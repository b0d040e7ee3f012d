"""What one Valkey carries: the step that takes in an event, as many at once as are sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter

from redis.asyncio import Redis

from bridge.store.events import EventStore
from bridge.store.steps import Steps
from tests.bench.cpu import cpu_s
from tests.bench.figures import Figure, Row
from tests.bench.filling import new_event
from tests.bench.scale import Scale
from tests.bench.stage import Stage, set_up
from tests.waiting import wait_until

BODY = b'{"question":"Which plan fits us?","body":"' + b"x" * 980 + b'"}'
PATIENCE_S = 30.0
XADD = "XADD of the same bytes"
CHANNEL, SIGNAL, PUBLISHED = "bench", b"events:demo", 2000


@dataclass(frozen=True)
class Carried:
    """How fast it went, and what each took of Valkey."""

    per_s: float
    cpu_ms: float


async def measure(scale: Scale) -> Row:
    """Have one writer send batches of each size."""
    figures: list[Figure] = []
    async with set_up() as stage, stage.redis() as redis:
        steps = Steps(redis, PATIENCE_S)
        async with steps.running():
            events = EventStore(steps)
            for size in scale.batches:
                figures += await _batches(stage, redis, events, size, scale)
            figures.append(await _memory(stage, redis, events, scale))
        for count in scale.subscribers:
            async with _listeners(stage, count):
                heard = [await _published(stage, redis) for _ in range(scale.rounds)]
            name = f"a signal to {count} processes, ms of Valkey's CPU"
            figures.append(Figure(name, [each.cpu_ms for each in heard]))
    return Row(
        "What one Valkey carries",
        "The step that takes in an event of 1 KB, sent by one writer in batches, each flushed to "
        "the disk before it is answered (`appendfsync always`); beside it a pipeline of as many "
        "XADD. Then short messages published to a channel that so many processes listen to.",
        figures,
        (
            "The rate is that of one Python process, which makes the commands while Valkey waits; "
            "what Valkey could carry follows from its CPU. A web process sends at most 256 steps a "
            "batch.",
        ),
    )


async def _batches(
    stage: Stage, redis: Redis, events: EventStore, size: int, scale: Scale
) -> list[Figure]:
    async def accept() -> None:
        await asyncio.gather(*(events.accept(new_event(BODY)) for _ in range(size)))

    async def add() -> None:
        pipe = redis.pipeline(transaction=False)
        for _ in range(size):
            pipe.xadd("events", {"body": BODY})
        await pipe.execute()

    ours: list[Carried] = []
    theirs: list[Carried] = []
    for _ in range(scale.rounds):
        for send, found in ((accept, ours), (add, theirs)):
            await stage.clear()
            await send()
            found.append(await _carried(stage, send, size, scale.batches_sent))
    what = f"batches of {size}: events"
    rates = [each.per_s for each in ours], [each.per_s for each in theirs]
    costs = [each.cpu_ms for each in ours], [each.cpu_ms for each in theirs]
    return [
        Figure(f"{what}/s", rates[0], XADD, rates[1], more_is_better=True),
        Figure(f"{what}, ms of Valkey's CPU each", costs[0], XADD, costs[1]),
    ]


async def _memory(stage: Stage, redis: Redis, events: EventStore, scale: Scale) -> Figure:
    """Fill Valkey, and share out what it has taken of its memory."""
    count = max(scale.batches) * scale.batches_sent
    samples: list[float] = []

    async def is_freed() -> bool:
        return not (await redis.info("memory"))["lazyfree_pending_objects"]

    for _ in range(scale.rounds):
        await stage.clear()
        await wait_until(is_freed, "what was cleared is given back")
        before = (await redis.info("memory"))["used_memory"]
        for _ in range(scale.batches_sent):
            await asyncio.gather(
                *(events.accept(new_event(BODY)) for _ in range(max(scale.batches)))
            )
        samples.append(((await redis.info("memory"))["used_memory"] - before) / count / 1024)
    return Figure("memory of Valkey an event, KiB", samples)


async def _carried(
    stage: Stage, send: Callable[[], Awaitable[None]], size: int, times: int
) -> Carried:
    began, used_s = perf_counter(), cpu_s([stage.valkey_pid])
    for _ in range(times):
        await send()
    took_s, count = perf_counter() - began, size * times
    return Carried(count / took_s, (cpu_s([stage.valkey_pid]) - used_s) / count * 1000)


async def _published(stage: Stage, redis: Redis) -> Carried:
    async def publish() -> None:
        await redis.publish(CHANNEL, SIGNAL)

    return await _carried(stage, publish, 1, PUBLISHED)


@contextlib.asynccontextmanager
async def _listeners(stage: Stage, count: int) -> AsyncIterator[None]:
    """Have so many connections listen to the channel, each of which reads all it gets."""
    path = str(stage.directory / "valkey" / "valkey.sock")

    async def listen(reader: asyncio.StreamReader) -> None:
        while await reader.read(1 << 16):
            pass

    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            reader, writer = await asyncio.open_unix_connection(path)
            stack.callback(writer.close)
            writer.write(f"SUBSCRIBE {CHANNEL}\r\n".encode())
            await reader.readuntil(b":1\r\n")
            stack.callback(asyncio.create_task(listen(reader)).cancel)
        yield
