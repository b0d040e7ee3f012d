"""The whole of it: a bridge, its clients, the faults, and the time to settle afterwards."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Container
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import httpx2

from tests.bridge_processes import Bridge, running_bridge
from tests.chaos.approving import OPERATOR_TOKEN, Approver
from tests.chaos.asking import PATIENCE_S, Ask, Claude, Client
from tests.chaos.book import Book
from tests.chaos.callers import Caller
from tests.chaos.faults import Tormentor
from tests.chaos.insisting import insist
from tests.chaos.ledger import Kept, Ledger
from tests.chaos.modern import ModernClaude
from tests.chaos.questions import Sender, Taker
from tests.chaos.scale import WEBS, WORKERS, Scale
from tests.chaos.server_file import GATED, QUICK_OR_SLOW, SERVER, server_file
from tests.chaos.wires import WIRES, claude_on
from tests.claude import UNLIMITED
from tests.proxy import Proxy, proxying

SETTLE_S = 90.0
"""How long what is open may take to settle once the faults are over."""


@dataclass
class Storm:
    """One run, with all that its parts share."""

    seed: str
    scale: Scale
    bridge: Bridge
    proxies: list[Proxy]
    steady: Proxy
    stack: contextlib.AsyncExitStack
    book: Book = field(default_factory=Book)
    callers: list[Caller] = field(default_factory=list)
    senders: list[Sender] = field(default_factory=list)
    takers: list[Taker] = field(default_factory=list)
    approvers: list[Approver] = field(default_factory=list)

    async def gather(self) -> None:
        """Connect everyone.

        A web process of an earlier version knows of no approval, so none is asked for beside one.
        """
        tools = QUICK_OR_SLOW if len(self.scale.trees) > 1 else (*QUICK_OR_SLOW, GATED)
        for number in range(self.scale.clients):
            for wire in WIRES:
                client, claude = await self.claude(wire, f"caller-{number}")
                caller = Caller(client, claude, wire, self.book, self.scale.work_s, tools)
                self.callers.append(caller)
        for number in range(self.scale.takers):
            wire = WIRES[number % len(WIRES)]
            client, claude = await self.claude(wire, f"taker-{number}")
            self.takers.append(Taker(client, claude, wire, self.book))
        approver = await self._client("approver", self.proxies[-1])
        self.approvers.append(Approver(approver, self.book))
        for number in range(self.scale.senders):
            client = await self._client(f"sender-{number}", self.proxies[-1])
            self.senders.append(Sender(client, self.bridge, self.book))

    async def rage(self, seconds: float, kinds: Container[str] | None = None) -> None:
        """Have everyone work under faults for so long, and then until all is settled.

        Only faults of these kinds strike, if any are given.
        """
        tormentor = Tormentor(self.bridge, self.proxies, self.book, Random(f"{self.seed} faults"))
        await self.go_through(tormentor.run(seconds, self.scale.fault_gap_s, kinds))

    async def go_through(self, trouble: Awaitable[None]) -> None:
        """Have everyone work while there is trouble, and then until all is settled."""
        stop = asyncio.Event()
        taking = [asyncio.create_task(taker.run()) for taker in self.takers]
        taking += [asyncio.create_task(approver.run()) for approver in self.approvers]
        working = [asyncio.create_task(caller.run(stop)) for caller in self.callers]
        working += [asyncio.create_task(sender.run(stop)) for sender in self.senders]
        await trouble
        stop.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await asyncio.gather(*working)
                await self._all_replied()
        for task in (*working, *taking):
            task.cancel()
        ends = await asyncio.gather(*working, *taking, return_exceptions=True)
        self.book.wrong += [repr(end) for end in ends if isinstance(end, Exception)]

    async def ledger(self) -> Ledger:
        """Set what the clients hold against what n8n has seen."""
        client = await self._client("auditor", self.steady)
        claude = ModernClaude(client)
        kept = Counter[str]()
        for tool, listed in (("list_calls", "calls"), ("list_events", "events")):
            cursor: str | None = ""
            while cursor is not None:
                given = {"limit": 100} | ({"cursor": cursor} if cursor else {})
                told = await insist(claude, "auditor", Ask(tool, given), self.book)
                kept.update(f"{listed} {each['status']}" for each in told.content[listed])
                cursor = told.content["next_cursor"]
        return Ledger(self.book, self.bridge.n8n, Kept(of(kept, "calls"), of(kept, "events")))

    async def claude(self, wire: str, name: str) -> tuple[Client, Claude]:
        """Connect one client of a wire, for as long as the storm lasts."""
        client = await self._client(f"{name}-{wire}", self.proxies[len(self.callers) % 2])
        return client, await self.stack.enter_async_context(claude_on(wire, client))

    async def _all_replied(self) -> None:
        while Ledger(self.book, self.bridge.n8n, Kept(Counter(), Counter())).lost:
            await asyncio.sleep(0.2)

    async def _client(self, name: str, proxy: Proxy) -> Client:
        http = await self.stack.enter_async_context(
            httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False, limits=UNLIMITED)
        )
        return Client(http, proxy.url, name, Random(f"{self.seed} {name}"))


@contextlib.asynccontextmanager
async def storm(folder: Path, seed: str, scale: Scale, **settings: str) -> AsyncIterator[Storm]:
    """Set the stage: web processes behind proxies, workers, everyone connected."""
    given = {"BRIDGE_KEEPALIVE_S": "5", "BRIDGE_OPERATOR_TOKEN": OPERATOR_TOKEN} | settings
    async with (
        running_bridge(folder, webs=0, workers=0, **given) as bridge,
        contextlib.AsyncExitStack() as stack,
    ):
        bridge.trees = scale.trees
        file = folder / "servers" / f"{SERVER}.json"
        file.write_text(json.dumps(server_file(bridge.n8n_url)))
        webs = await asyncio.gather(*(bridge.add_web() for _ in range(WEBS)))
        ports = [urlsplit(web.url).port or 0 for web in webs]
        proxies = [await stack.enter_async_context(proxying(*ports)) for _ in range(3)]
        steady = await stack.enter_async_context(proxying(*ports))
        bridge.environ["BRIDGE_PUBLIC_URL"] = steady.url
        await asyncio.gather(*(bridge.add_worker() for _ in range(WORKERS)))
        raised = Storm(seed, scale, bridge, proxies, steady, stack)
        await raised.gather()
        yield raised


def of(kept: Counter[str], what: str) -> Counter[str]:
    """Take the counts of one kind."""
    return Counter({name.split()[1]: n for name, n in kept.items() if name.split()[0] == what})
