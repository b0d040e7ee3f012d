"""How fast payloads come in, when every 202 means that the payload is on disk."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence

from tests.bench.connection import spell
from tests.bench.figures import Figure, Row
from tests.bench.load import Load, Question, Side, figures_of, in_turns, press
from tests.bench.scale import Scale
from tests.bench.stage import N8N, Stage, set_up

PAYLOAD = {"question": "Which plan fits us?", "from": "ann@example.com", "body": "x" * 948}
HOOK = Question(spell("POST", "/hooks/demo/question", N8N, PAYLOAD), 202, b'"queued"')
PLAIN = Question(spell("POST", "/", N8N, PAYLOAD), 202, b'"id"')
PEER = "uvicorn + Starlette, one XADD a request"
MEASURES = ("per_s", "p50_ms", "p99_ms", "cpu_ms")


async def measure(scale: Scale) -> Row:
    """Press on a hook, and on the plainest way to have each payload in the same Valkey."""
    async with (
        set_up() as stage,
        stage.web() as web,
        stage.peer("ingest", stage.redis_url) as peer,
    ):
        sides = (
            Side("bridge", web.port, itertools.repeat(HOOK), (web.pid,)),
            Side(PEER, peer.port, itertools.repeat(PLAIN), (peer.pid,)),
        )
        ours, theirs = await _loads(stage, sides, scale)
    return Row(
        "Durable ingest",
        f"POST of 1 KB of JSON to a hook, {scale.ingest_clients} keep-alive clients, one web "
        "process, Valkey with `appendonly yes` and `appendfsync always`.",
        figures_of("requests", ours, PEER, theirs, MEASURES, per_s=1.0),
        (
            "The bridge checks the credential and the JSON, and keeps event, reply, order, "
            "deadline and counters in one atomic step; the peer appends the raw body to a stream. "
            "CPU is that of the web process.",
        ),
    )


async def _loads(stage: Stage, sides: Sequence[Side], scale: Scale) -> list[list[Load]]:
    await stage.clear()
    return await in_turns(sides, scale.ingest_clients, scale)


async def measure_webs(scale: Scale) -> Row:
    """Press on hooks of one, two and four web processes beside one Valkey."""
    figures: list[Figure] = []
    async with set_up() as stage, contextlib.AsyncExitStack() as stack:
        most = max(scale.webs)
        webs = [await stack.enter_async_context(stage.web()) for _ in range(most)]
        loads: dict[int, list[float]] = {count: [] for count in scale.webs}
        for _ in range(scale.rounds):
            for count in scale.webs:
                await stage.clear()
                ports = [web.port for web in webs[:count]]
                loads[count].append(await _spread(ports, scale))
        alone = loads[min(scale.webs)]
        figures = [
            Figure(f"{count} processes: requests/s", found, "one process", alone, True)
            for count, found in loads.items()
        ]
    return Row(
        "Ingest by more web processes",
        f"The load of *Durable ingest*, its {scale.ingest_clients} clients spread evenly over so "
        "many web processes beside one Valkey.",
        figures,
        (
            "On a machine of two cores, which Valkey and the load use as well, this shows what "
            "more processes cost there, not what they bring where they have cores.",
        ),
    )


async def _spread(ports: Sequence[int], scale: Scale) -> float:
    """Return the requests a second of all ports together."""
    clients, repeated = scale.ingest_clients // len(ports), itertools.repeat(HOOK)
    await asyncio.gather(*(press(port, clients, scale.warm_s, repeated) for port in ports))
    loads = await asyncio.gather(*(press(port, clients, scale.load_s, repeated) for port in ports))
    return sum(load.per_s for load in loads)
