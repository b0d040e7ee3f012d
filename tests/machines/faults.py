"""The faults of a network: each strikes for a time, and is mended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from random import Random

from tests.machines.hosts import Host
from tests.machines.stage import CLIENTS, N8N, PRIMARY, WEBS, WORKERS, Machines

SHORT_S, LONG_S = (1.0, 5.0), (8.0, 15.0)
"""A process that is not heard of for 6 s is taken for dead by the others."""

PAUSE_S = (1.0, 5.0)

Begin = Callable[[], "contextlib.AbstractAsyncContextManager[None]"]


@dataclass(frozen=True)
class NetworkFault:
    """One kind of trouble, which lasts while the block does that it begins."""

    name: str
    begin: Begin


def faults(machines: Machines, random: Random) -> list[NetworkFault]:
    """List every fault once, each of a host chosen at random."""
    network = machines.network
    web, worker = network[random.choice(WEBS)], network[random.choice(WORKERS)]
    n8n, clients, primary = network[N8N], network[CLIENTS], network[PRIMARY]
    several = [web, worker, primary]
    return [
        *(
            NetworkFault(f"cut off {kind(host)}", lambda host=host: network.cut(host))
            for host in (web, worker, n8n, clients, primary)
        ),
        *(
            NetworkFault(
                f"{kind(host)} not heard", lambda host=host: network.lost([host], network.but(host))
            )
            for host in several
        ),
        *(
            NetworkFault(
                f"{kind(host)} hears nothing",
                lambda host=host: network.lost(network.but(host), [host]),
            )
            for host in several
        ),
        *(
            NetworkFault(
                f"{kind(host)} cut off from the store",
                lambda host=host: network.lost([host], [primary]),
            )
            for host in (web, worker)
        ),
        NetworkFault("worker cut off from n8n", lambda: network.lost([worker], [n8n])),
        *(
            NetworkFault(f"thin line to {kind(host)}", lambda host=host: network.thinned(host))
            for host in several
        ),
        NetworkFault("n8n loses its power", lambda: powerless(machines)),
    ]


@contextlib.asynccontextmanager
async def powerless(machines: Machines) -> AsyncIterator[None]:
    """Have n8n end while nobody hears of it, and start again: what ran has ended nowhere."""
    async with machines.network.cut(machines.network[N8N]):
        await machines.n8n.stop()
        await machines.n8n.start()
        yield


async def strike(machines: Machines, rounds: int, random: Random) -> None:
    """Have a fault in each round, for a span of time, and then a pause; each comes in turn."""
    coming: list[NetworkFault] = []
    for _ in range(rounds):
        if not coming:
            coming = faults(machines, random)
            random.shuffle(coming)
        fault = coming.pop()
        machines.storm.book.strike(fault.name)
        async with fault.begin():
            await asyncio.sleep(random.uniform(*random.choice((SHORT_S, LONG_S))))
        await asyncio.sleep(random.uniform(*PAUSE_S))


def kind(host: Host) -> str:
    """Report what a host is for, whichever of its kind."""
    return host.name.partition("-")[0]
