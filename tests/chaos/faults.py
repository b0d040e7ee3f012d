"""The faults: each strikes one victim and lets it go on in the end."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, field
from functools import partial
from random import Random

from tests.bridge_processes import Bridge, Child
from tests.chaos.book import Book
from tests.proxy import Proxy

SHORT_FREEZE_S, LONG_FREEZE_S = (0.5, 4.0), (8.0, 12.0)
"""A process that is frozen for longer than 6 s is taken for dead by the others."""

HOLD_S = (0.5, 4.0)
"""A stream that stays open for 5 s is taken as proof that what was written on it has arrived."""


@dataclass(frozen=True)
class Fault:
    """One kind of trouble for one victim; no two strike the same victim at once."""

    name: str
    victim: object
    strike: Callable[[], Awaitable[None]]


@dataclass
class Tormentor:
    """Strikes at random, from a seed."""

    bridge: Bridge
    proxies: list[Proxy]
    book: Book
    random: Random
    _struck: set[int] = field(default_factory=set)

    def faults(self) -> list[Fault]:
        """List every fault; what stands here twice strikes twice as often."""
        children = [*self.bridge.webs, *self.bridge.workers]
        return [
            *(Fault(f"kill -9 {kind(c)}", c, partial(self._kill, c)) for c in children),
            *(Fault(f"SIGTERM {kind(c)}", c, partial(self._restart, c)) for c in children),
            *(Fault(f"freeze {kind(c)}", c, partial(self._freeze, c)) for c in children),
            *(Fault("reset connections", p, partial(self._drop, p)) for p in self.proxies * 2),
            *(Fault("hold connections", p, partial(self._hold, p)) for p in self.proxies),
            Fault("kill -9 Valkey", self.bridge.valkey, self._kill_store),
            Fault("restart Valkey", self.bridge.valkey, self._restart_store),
            Fault("freeze Valkey", self.bridge.valkey, self._freeze_store),
        ]

    async def run(
        self, seconds: float, gap_s: tuple[float, float], kinds: Container[str] | None = None
    ) -> None:
        """Strike for so long, by faults of these kinds if given; return when all victims go on."""
        now = asyncio.get_running_loop().time
        faults = [fault for fault in self.faults() if kinds is None or fault.name in kinds]
        ends_at = now() + seconds
        async with asyncio.TaskGroup() as group:
            while now() < ends_at:
                fault = self.random.choice(faults)
                if id(fault.victim) not in self._struck:
                    group.create_task(self._strike(fault))
                await asyncio.sleep(self.random.uniform(*gap_s))

    async def _strike(self, fault: Fault) -> None:
        self._struck.add(id(fault.victim))
        self.book.strike(fault.name)
        try:
            await fault.strike()
        finally:
            self._struck.discard(id(fault.victim))

    async def _kill(self, child: Child) -> None:
        child.kill()
        await revive(child)

    async def _restart(self, child: Child) -> None:
        child.send_signal(signal.SIGTERM)
        await revive(child)

    async def _freeze(self, child: Child) -> None:
        await self._frozen(child.send_signal)

    async def _freeze_store(self) -> None:
        await self._frozen(partial(os.kill, await self.bridge.store_pid()))

    async def _frozen(self, send: Callable[[signal.Signals], None]) -> None:
        send(signal.SIGSTOP)
        try:
            span_s = self.random.choice((SHORT_FREEZE_S, SHORT_FREEZE_S, LONG_FREEZE_S))
            await asyncio.sleep(self.random.uniform(*span_s))
        finally:
            send(signal.SIGCONT)

    async def _kill_store(self) -> None:
        await self.bridge.kill_store()
        await self.bridge.valkey.start()

    async def _restart_store(self) -> None:
        await self.bridge.valkey.stop()
        await asyncio.sleep(self.random.uniform(0, 3))
        await self.bridge.valkey.start()

    async def _drop(self, proxy: Proxy) -> None:
        proxy.drop()

    async def _hold(self, proxy: Proxy) -> None:
        proxy.hold()
        try:
            await asyncio.sleep(self.random.uniform(*HOLD_S))
            if self.random.random() < 0.5:
                proxy.drop()
        finally:
            proxy.let_go()


async def revive(child: Child) -> None:
    """Wait for its end and start it, as often as it takes: it cannot start without the store."""
    while True:
        await child.ended()
        try:
            await child.start()
        except AssertionError:
            child.kill()
        else:
            return


def kind(child: Child) -> str:
    """Report what a process is, whichever of its kind."""
    return child.name.rpartition("-")[0]
