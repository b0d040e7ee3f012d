"""The faults of a network: each strikes for a time, and is mended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.machines.hosts import Host
from tests.machines.stage import CLIENTS, N8N, PRIMARY, WEBS, WORKERS, Machines

SHORT_S, LONG_S = (1.0, 5.0), (8.0, 15.0)
"""A process that is not heard of for 6 s is taken for dead by the others."""

PAUSE_S = 3.0

Span = Callable[[], float]
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
    return [
        *(
            NetworkFault(f"cut off {kind(host)}", partial(network.cut, host))
            for host in (web, worker, n8n, clients, primary)
        ),
        *(
            NetworkFault(
                f"{kind(host)} not heard", partial(network.lost, [host], network.but(host))
            )
            for host in (web, worker, primary)
        ),
        *(
            NetworkFault(
                f"{kind(host)} hears none", partial(network.lost, network.but(host), [host])
            )
            for host in (web, worker, primary)
        ),
        *(
            NetworkFault(f"{kind(host)} without store", partial(network.lost, [host], [primary]))
            for host in (web, worker)
        ),
        NetworkFault("worker without n8n", partial(network.lost, [worker], [n8n])),
        *(
            NetworkFault(f"thin line of {kind(host)}", partial(network.thinned, host))
            for host in (web, worker, primary)
        ),
        NetworkFault("n8n loses its power", partial(powerless, machines)),
    ]


@contextlib.asynccontextmanager
async def powerless(machines: Machines) -> AsyncIterator[None]:
    """Have n8n end while nobody hears of it, and start again: what ran has ended nowhere."""
    async with machines.network.cut(machines.network[N8N]):
        await machines.n8n.stop()
        await machines.n8n.start()
        yield


def in_turn(machines: Machines, rounds: int, random: Random) -> Iterator[NetworkFault]:
    """Choose a fault for each round: every one comes before any comes again."""
    coming: list[NetworkFault] = []
    for _ in range(rounds):
        if not coming:
            coming = faults(machines, random)
            random.shuffle(coming)
        yield coming.pop()


def of_kinds(machines: Machines, kinds: Sequence[str], random: Random) -> Iterator[NetworkFault]:
    """Choose the faults of these kinds, in this order."""
    found = {fault.name: fault for fault in faults(machines, random)}
    return (found[kind] for kind in kinds)


async def strike(machines: Machines, chosen: Iterable[NetworkFault], span_s: Span) -> None:
    """Have these faults, one after the other, each for a span of time and with a pause after it."""
    for fault in chosen:
        machines.storm.book.strike(fault.name)
        async with fault.begin():
            await asyncio.sleep(span_s())
        await asyncio.sleep(PAUSE_S)


def kind(host: Host) -> str:
    """Report what a host is for, whichever of its kind."""
    return host.name.partition("-")[0]
