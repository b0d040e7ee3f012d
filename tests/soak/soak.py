"""The whole of it: a bridge, everyone who uses it at a steady rate, and the accounts."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from redis.asyncio import Redis

from tests.bridge_processes import Bridge, running_bridge
from tests.chaos.asking import PATIENCE_S, Claude, Client
from tests.chaos.book import Book
from tests.chaos.callers import Caller
from tests.chaos.questions import Taker
from tests.chaos.resuming import ResumingClaude
from tests.chaos.server_file import SERVER, server_file
from tests.chaos.wires import WIRES, claude_on
from tests.claude import Spread
from tests.soak.accounts import Accounts, LongLedger
from tests.soak.pace import at_rate
from tests.soak.samples import STORE, Samples, families
from tests.soak.senders import SteadySender
from tests.soak.stdio_claude import stdio_claude
from tests.soak.verdict import grown, more, too_slow

WEBS, WORKERS = 2, 2
STDIO = ("stdio-2026", "stdio-2025")
TAKERS = 12
"""How many events a wire's client has in hand, or waits for, at once."""

LONGEST_WORK_S = 1.0
SETTLE_S = 90.0
NAMED = 10
"""So many of a kind of fault are named; of the others it is said how many there are."""

VISITS = 0.1
"""The share of calls that a client makes who comes for this one alone, and leaves."""

VISITORS = 20
"""How many names such clients have: a name is remembered for a day."""

TTL = {
    "BRIDGE_EVENT_TTL_S": "60",
    "BRIDGE_RESULT_TTL_S": "30",
    "BRIDGE_SESSION_IDLE_S": "60",
}
"""Records last two minutes at most, so that as many go as come, soon."""


@dataclass(frozen=True)
class Load:
    """How long, and how many events and calls a second."""

    seconds: float
    events: float = 50.0
    calls: float = 50.0

    @property
    def sample_s(self) -> float:
        """Return how often samples are taken: of a short run more often."""
        return min(10.0, self.seconds / 20)


@dataclass
class Soak:
    """One run, with all that its parts share."""

    load: Load
    bridge: Bridge
    redis: Redis
    stack: contextlib.AsyncExitStack
    samples: Samples
    accounts: Accounts
    pids: dict[str, int] = field(default_factory=dict)
    lanes: list[tuple[str, Client, Claude]] = field(default_factory=list)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)

    @property
    def book(self) -> Book:
        """What the clients hold."""
        return self.accounts.book

    async def gather(self) -> None:
        """Connect everyone, one for each wire, and learn the ids of all processes."""
        for wire in WIRES:
            client = await self._client(f"steady-{wire}")
            claude = await self.stack.enter_async_context(claude_on(wire, client))
            self.lanes.append((wire, client, claude))
        for wire in STDIO:
            log, is_modern = self.bridge.folder / f"{wire}.log", wire.endswith("2026")
            started = stdio_claude(self.bridge.environ, log, is_modern=is_modern)
            speaker = await self.stack.enter_async_context(started)
            self.lanes.append((wire, await self._client(f"steady-{wire}"), speaker))
            self.pids[wire] = speaker.program.process.pid
        children = [*self.bridge.webs, *self.bridge.workers]
        self.pids |= {child.name: child.pid for child in children}
        self.pids[STORE] = await self.bridge.store_pid()

    async def run(self) -> None:
        """Have everyone work at their rate, and until all is settled."""
        stop = asyncio.Event()
        beside = [asyncio.create_task(each) for each in self._beside(stop)]
        try:
            async with asyncio.timeout(self.load.seconds + SETTLE_S):
                await self._work()
                await self._all_replied()
        except TimeoutError:
            pass  # what is open then is lost, and the ledger says so
        except ExceptionGroup as errors:
            self.book.wrong += [repr(error) for error in errors.exceptions]
        stop.set()
        await _end(beside[1:])
        ends = await asyncio.gather(*beside, return_exceptions=True)
        self.after = await families(self.redis)
        self.book.wrong += [repr(end) for end in ends if isinstance(end, Exception)]

    def faults(self) -> Iterator[str]:
        """Name every promise that was broken."""
        ledger = self.ledger
        for fault, names in (
            ("lost", ledger.lost),
            ("run or delivered twice", ledger.twice),
            ("wrong", ledger.wrong),
        ):
            yield from (f"{fault}: {name}" for name in names[:NAMED])
            if len(names) > NAMED:
                yield f"{fault}: {len(names) - NAMED:,} more"
        yield from too_slow(len(ledger.calls), self.load.calls * self.load.seconds, "calls")
        yield from too_slow(len(ledger.events), self.load.events * self.load.seconds, "events")
        if risen := list(grown(self.samples.of)):
            yield from risen
            yield from more(self.before, self.after)

    @property
    def ledger(self) -> LongLedger:
        """Set what the clients hold against what n8n has seen."""
        return LongLedger.of(self.accounts)

    def _beside(self, stop: asyncio.Event) -> Iterator[Any]:
        yield self.samples.gather(self.pids, self.redis, stop)
        yield self._account()
        yield self._count_in_the_middle()
        for wire, client, claude in self.lanes:
            yield from (Taker(client, claude, wire, self.book).run() for _ in range(TAKERS))

    async def _work(self) -> None:
        seconds, each = self.load.seconds, self.load.calls / len(self.lanes)
        sender = SteadySender(await self._client("sender"), self.bridge, self.book)
        sender.answered = self.accounts.resumes
        async with asyncio.TaskGroup() as group:
            group.create_task(at_rate(self.load.events, seconds, sender.ask))
            for wire, client, claude in self.lanes:
                caller = Caller(client, claude, wire, self.book, LONGEST_WORK_S)
                group.create_task(at_rate(each, seconds, Lane(self, caller).call))

    async def _account(self) -> None:
        while True:
            await asyncio.sleep(self.load.sample_s)
            self.accounts.take()

    async def _count_in_the_middle(self) -> None:
        await asyncio.sleep(self.load.seconds / 2)
        self.before = await families(self.redis)

    async def _all_replied(self) -> None:
        while self.ledger.lost:
            await asyncio.sleep(1)

    async def _client(self, name: str) -> Client:
        spread = Spread([web.url for web in self.bridge.webs])
        http = await self.stack.enter_async_context(
            httpx2.AsyncClient(timeout=PATIENCE_S * 2, transport=spread)
        )
        return Client(http, self.bridge.webs[0].url, name, Random(name))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: one that gets an answer just then goes on."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)


@dataclass
class Lane:
    """The calls of one wire: most by a client that stays, some by one that comes and leaves."""

    soak: Soak
    caller: Caller

    async def call(self, number: int) -> None:
        """Make a call and follow it to its end."""
        call = self.caller.new_call(f"{self.caller.client.name}/{number}")
        is_visit = self.caller.client.random.random() < VISITS
        if is_visit and self.caller.wire in WIRES:
            await self._visit(number, call)
        else:
            await self.caller.follow(call)
        if not call.failure:
            call.story.clear()  # hours of them would fill the memory

    async def _visit(self, number: int, call: Any) -> None:
        steady = self.caller.client
        name = f"visitor-{number % VISITORS}-{self.caller.wire}"
        client = Client(steady.http, steady.origin, name, steady.random)
        async with claude_on(self.caller.wire, client) as claude:
            visitor = Caller(client, claude, self.caller.wire, self.soak.book, LONGEST_WORK_S)
            await visitor.follow(call)
            if isinstance(claude, ResumingClaude) and claude.session and number % 2:
                with contextlib.suppress(httpx2.TransportError):
                    await claude.session.end()


@contextlib.asynccontextmanager
async def soaking(folder: Path, load: Load) -> AsyncIterator[Soak]:
    """Set the stage: web processes, workers, programs over stdio, everyone connected."""
    async with (
        running_bridge(folder, webs=0, workers=0, **TTL) as bridge,
        contextlib.AsyncExitStack() as stack,
        Redis.from_url(bridge.valkey.url) as redis,
    ):
        described = server_file(bridge.n8n_url)
        for workflow in described["workflows"].values():
            workflow |= {"attach_for": "60s", "timeout": "60s"}
        (folder / "servers" / f"{SERVER}.json").write_text(json.dumps(described))
        await asyncio.gather(*(bridge.add_web() for _ in range(WEBS)))
        bridge.environ["BRIDGE_PUBLIC_URL"] = bridge.webs[0].url
        await asyncio.gather(*(bridge.add_worker() for _ in range(WORKERS)))
        accounts = Accounts(Book(), bridge.n8n)
        soak = Soak(load, bridge, redis, stack, Samples(load.sample_s), accounts)
        await soak.gather()
        yield soak
