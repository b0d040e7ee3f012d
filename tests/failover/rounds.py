"""Failovers, one after the other, and how long nothing went well in each."""

import asyncio
import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.book import Book
from tests.chaos.ledger import Ledger
from tests.sentinels import NAME, Replicated, Server
from tests.waiting import wait_until

CALM = 20
"""How many things go well between two failovers."""

CALM_S = 60.0
RETURN_S = 1.5
"""How long the old primary is away after another has its place."""


@dataclass
class Failovers:
    """Replaces the primary of a group again and again, in every way in turn."""

    group: Replicated
    book: Book
    count: int
    struck: list[tuple[float, str]] = field(default_factory=list)
    """When each began, in seconds since 1970, and in which way."""

    async def run(self) -> None:
        """Replace it `count` times, each time once all servers are in step and work goes on."""
        ways = itertools.cycle((self.by_freezing, self.by_death, self.by_command))
        for way in itertools.islice(ways, self.count):
            await self.group.settled()
            await self._go_on()
            old = await self.group.primary()
            name = way.__name__.replace("_", " ")
            self.struck.append((time.time(), name))
            self.book.strike(f"failover {name}")
            await way(old)
        await self.group.settled()
        await self._go_on()

    async def by_command(self, old: Server) -> None:
        """Have the Sentinels do it: the old primary goes on until it hears of it."""
        await self.group.sentinels[0].ask("SENTINEL", "FAILOVER", NAME)
        await self.group.successor_of(old)

    async def by_death(self, old: Server) -> None:
        """Kill the primary, and start it again once another has its place."""
        await old.kill()
        await self.group.successor_of(old)
        await asyncio.sleep(RETURN_S)
        await old.start()

    async def by_freezing(self, old: Server) -> None:
        """Freeze the primary, and let it go on as one that does not know that it was replaced."""
        old.freeze()
        await self.group.successor_of(old)
        await asyncio.sleep(RETURN_S)
        old.thaw()

    async def _go_on(self) -> None:
        """Wait until so many things have gone well again."""
        goal = len(self.book.successes_at) + CALM
        await wait_until(
            lambda: len(self.book.successes_at) >= goal, "work goes on", timeout_s=CALM_S
        )


def silences(ledger: Ledger, struck: list[tuple[float, str]]) -> list[tuple[str, float]]:
    """Return the way of each failover, and how long one kind of work then stood still at most.

    The kinds are events accepted, replies delivered and calls ended, over all processes.
    """
    ends = [at for at, _ in struck[1:]] + [time.time()]
    kinds = [sorted(kind) for kind in worked_at(ledger)]
    return [
        (way, max(longest_gap(kind, began_at, ended_at) for kind in kinds))
        for (began_at, way), ended_at in zip(struck, ends, strict=True)
    ]


def worked_at(ledger: Ledger) -> Iterable[list[float]]:
    """Return when each thing went well, kind by kind."""
    yield [event.accepted_at for event in ledger.events]
    yield [
        seen.finished_at
        for seen in ledger.n8n.seen.of()
        if seen.path.startswith("/webhook-waiting/") and seen.outcome == 200 and seen.finished_at
    ]
    yield [call.settled_at for call in ledger.calls if call.settled_at and not call.failure]


def longest_gap(times: list[float], began_at: float, ended_at: float) -> float:
    """Return the longest time without one of the sorted times, from one moment to another."""
    within = [at for at in times if began_at <= at <= ended_at]
    return max(
        (after - before for before, after in itertools.pairwise([began_at, *within])),
        default=ended_at - began_at,
    )
