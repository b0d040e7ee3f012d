"""A closed loop of clients: each asks, waits for the answer, and asks again."""

import asyncio
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from typing_extensions import override

from tests.bench.connection import Connection
from tests.bench.cpu import cpu_s, rest
from tests.bench.figures import Figure, Goal
from tests.bench.scale import Scale


class Work(Protocol):
    """What a client does over its connection, and then again."""

    async def done(self, connection: Connection) -> bytes:
        """Do it; return the body of the last answer.

        Raises:
            AssertionError: an answer is not what is wanted.
        """


@dataclass(frozen=True)
class Question(Work):
    """A request, spelled out, and what its answer must be and hold."""

    request: bytes
    status: int
    holding: bytes

    @override
    async def done(self, connection: Connection) -> bytes:
        answer = await connection.ask(self.request)
        assert answer.status == self.status, answer
        assert self.holding in answer.body, answer
        return answer.body


@dataclass(frozen=True)
class Load:
    """What a load met with; `cpu_ms` is what an answer took of the processes asked about."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    answers: int


@dataclass(frozen=True)
class Side:
    """One of those that bear a load in turns: where it listens, what it is asked, its processes."""

    name: str
    port: int
    work: Iterator[Work]
    pids: tuple[int, ...] = ()


async def in_turns(sides: Sequence[Side], clients: int, scale: Scale) -> list[list[Load]]:
    """Have each side bear the load once a round, one after the other, on a machine at rest."""
    loads: list[list[Load]] = [[] for _ in sides]
    for _ in range(scale.rounds):
        for side, found in zip(sides, loads, strict=True):
            await rest(scale.rest_s)
            await press(side.port, clients, scale.warm_s, side.work)
            found.append(await press(side.port, clients, scale.load_s, side.work, side.pids))
    return loads


async def press(
    port: int, clients: int, load_s: float, work: Iterator[Work], pids: tuple[int, ...] = ()
) -> Load:
    """Keep so many clients asking for so long, or until there is no more work.

    Raises:
        AssertionError: an answer was not what its question wants.
    """
    connections = await asyncio.gather(*(Connection.open(port) for _ in range(clients)))
    times_s: list[float] = []
    began, used_s = perf_counter(), cpu_s(pids)
    try:
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(_ask(connection, work, began + load_s, times_s))
    finally:
        for connection in connections:
            connection.close()
    answers = len(times_s)
    return Load(
        per_s=answers / (perf_counter() - began),
        p50_ms=statistics.median(times_s) * 1000,
        p99_ms=_percentile(times_s, 0.99) * 1000,
        cpu_ms=(cpu_s(pids) - used_s) / answers * 1000,
        answers=answers,
    )


async def _ask(
    connection: Connection, work: Iterator[Work], until: float, times_s: list[float]
) -> None:
    answered = perf_counter()
    for each in work:
        sent = answered
        await each.done(connection)
        answered = perf_counter()
        times_s.append(answered - sent)
        if answered >= until:
            return


def _percentile(samples: Sequence[float], share: float) -> float:
    return sorted(samples)[math.ceil(len(samples) * share) - 1]


MEASURES = {
    "per_s": "{}/s",
    "p50_ms": "{}, p50 ms",
    "p99_ms": "{}, p99 ms",
    "cpu_ms": "{}, ms of CPU each",
}


def figures_of(
    what: str,
    ours: Sequence[Load],
    against: str,
    theirs: Sequence[Load],
    measures: Sequence[str] = ("per_s", "p50_ms", "p99_ms"),
    **goals: float,
) -> list[Figure]:
    """Compare two sides that bore the same load in turns; goals are ratios, by the measure."""
    return [
        Figure(
            MEASURES[measure].format(what),
            [getattr(load, measure) for load in ours],
            against,
            [getattr(load, measure) for load in theirs],
            more_is_better=measure == "per_s",
            goal=Goal(goals[measure]) if measure in goals else None,
        )
        for measure in measures
    ]
