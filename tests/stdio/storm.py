"""A bridge, clients of `n8n-bridge stdio` that come and go, and what became of all they asked."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bridge_processes import label_of, running_bridge
from tests.stdio.book import WORKFLOW, Ask, Book
from tests.stdio.lives import live_on

EVENTS = 100
"""They wait in the inbox, so that a list of them is longer than a pipe holds."""

PADDING = "x" * 400
WORKFLOWS = 0.2
"""The share of calls that n8n runs; the others read."""


@dataclass(frozen=True)
class Scale:
    """How many calls, of how many clients at once, and how many of them a life lasts."""

    calls: int
    clients: int
    life: int


FULL = Scale(calls=100_000, clients=4, life=400)
SHORT = Scale(calls=300, clients=2, life=30)


async def storm(folder: Path, seed: str, scale: Scale) -> Book:
    """Have every call answered, however often its client is killed; count what was seen."""
    book = Book(list(asks(seed, scale.calls)))
    async with running_bridge(folder) as bridge:
        for number in range(EVENTS):
            (await bridge.send({"number": number, "padding": PADDING})).raise_for_status()
        await asyncio.gather(
            *(
                live_on(
                    book,
                    book.asks[client :: scale.clients],
                    bridge.environ,
                    folder / "stdio.log",
                    f"{seed} {client}",
                    scale.life,
                )
                for client in range(scale.clients)
            )
        )
        book.runs = Counter(label_of(run) for run in bridge.runs())
    return book


def asks(seed: str, count: int) -> Iterator[Ask]:
    """Choose what is asked: workflows short and less short, lists long and longer than a pipe."""
    chance = random.Random(seed)
    for number in range(count):
        yield _workflow(chance, f"call-{number}") if chance.random() < WORKFLOWS else _read(chance)


def _workflow(chance: random.Random, label: str) -> Ask:
    seconds = chance.choice((0, 0, 0, 0.05, 0.3))
    return Ask(WORKFLOW, {"label": label, "seconds": seconds}, label)


def _read(chance: random.Random) -> Ask:
    tool, limits = chance.choice((("list_events", (1, 1, 1, 20, 100)), ("list_calls", (1, 5))))
    arguments: dict[str, Any] = {"limit": chance.choice(limits)}
    return Ask(tool, arguments)
