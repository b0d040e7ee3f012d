"""A closed loop of clients: each asks, waits for the answer, and asks again."""

import asyncio
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from tests.bench.connection import Connection
from tests.bench.figures import Figure


@dataclass(frozen=True)
class Question:
    """A request, spelled out, and what its answer must be and hold."""

    request: bytes
    status: int
    holding: bytes


@dataclass(frozen=True)
class Load:
    """What a load met with."""

    per_s: float
    p50_ms: float
    p99_ms: float


async def press(port: int, clients: int, load_s: float, questions: Iterator[Question]) -> Load:
    """Keep so many clients asking for so long.

    Raises:
        AssertionError: an answer was not what its question wants.
    """
    connections = await asyncio.gather(*(Connection.open(port) for _ in range(clients)))
    times_s: list[float] = []
    began = perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(_ask(connection, questions, began + load_s, times_s))
    finally:
        for connection in connections:
            connection.close()
    per_s = len(times_s) / (perf_counter() - began)
    return Load(per_s, statistics.median(times_s) * 1000, _percentile(times_s, 0.99) * 1000)


async def _ask(
    connection: Connection, questions: Iterator[Question], until: float, times_s: list[float]
) -> None:
    answered = perf_counter()
    while not times_s or answered < until:
        sent = answered
        await put(connection, next(questions))
        answered = perf_counter()
        times_s.append(answered - sent)


async def put(connection: Connection, question: Question) -> bytes:
    """Ask one question; returns the body of the answer.

    Raises:
        AssertionError: the answer is not what the question wants.
    """
    answer = await connection.ask(question.request)
    assert answer.status == question.status, answer
    assert question.holding in answer.body, answer
    return answer.body


def _percentile(samples: Sequence[float], share: float) -> float:
    return sorted(samples)[math.ceil(len(samples) * share) - 1]


def figures_of(
    what: str, ours: Sequence[Load], against: str, theirs: Sequence[Load]
) -> tuple[Figure, ...]:
    """Compare two sides that bore the same load in turns."""
    return tuple(
        Figure(
            f"{what}{name}",
            [getattr(load, attribute) for load in ours],
            against,
            [getattr(load, attribute) for load in theirs],
            more_is_better=attribute == "per_s",
        )
        for name, attribute in (("/s", "per_s"), (", p50 ms", "p50_ms"), (", p99 ms", "p99_ms"))
    )
