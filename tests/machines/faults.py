"""The faults of a network: each strikes for a time, and is mended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.machines.hosts import Host
from tests.machines.stage import CLIENTS, N8N, SENTINELS, STORES, WEBS, WORKERS, Machines

SHORT_S, LONG_S = (1.0, 5.0), (8.0, 15.0)
"""A process that is not heard of for 6 s is taken for dead by the others."""

PAUSE_S = 1.0
FAIL_OVER = "fail over"

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

    def some(*kinds: Sequence[str]) -> list[Host]:
        return [network[random.choice(names)] for names in kinds]

    every = (WEBS, WORKERS, SENTINELS, STORES)
    return [
        *(
            NetworkFault(f"cut off {kind(host)}", partial(network.cut, host))
            for host in some(*every, [N8N], [CLIENTS])
        ),
        *(
            NetworkFault(
                f"{kind(host)} not heard", partial(network.lost, [host], network.but(host))
            )
            for host in some(*every)
        ),
        *(
            NetworkFault(
                f"{kind(host)} hears none", partial(network.lost, network.but(host), [host])
            )
            for host in some(*every)
        ),
        *(
            NetworkFault(f"{kind(host)} without store", partial(without_primary, machines, host))
            for host in some(WEBS, WORKERS)
        ),
        *(
            NetworkFault("worker without n8n", partial(network.lost, [host], [network[N8N]]))
            for host in some(WORKERS)
        ),
        *(
            NetworkFault(f"thin line of {kind(host)}", partial(network.thinned, host))
            for host in some(*every)
            if network.has_thin_lines
        ),
        NetworkFault("n8n loses its power", partial(powerless, machines)),
        NetworkFault("parted", partial(parted, machines, *some(WEBS, WORKERS))),
    ]


def fail_over(machines: Machines) -> NetworkFault:
    """Return the fault after which another server is the primary."""
    return NetworkFault(FAIL_OVER, partial(failed_over, machines))


@contextlib.asynccontextmanager
async def failed_over(machines: Machines) -> AsyncIterator[None]:
    """Cut off the primary's host until another one is the primary, and while the block lasts."""
    old = await machines.store.primary()
    async with machines.network.cut(await machines.primary()):
        await machines.store.successor_of(old)
        yield


@contextlib.asynccontextmanager
async def without_primary(machines: Machines, host: Host) -> AsyncIterator[None]:
    """Lose what a host sends to the primary while the block lasts."""
    async with machines.network.lost([host], [await machines.primary()]):
        yield


@contextlib.asynccontextmanager
async def parted(machines: Machines, web: Host, worker: Host) -> AsyncIterator[None]:
    """Part the primary, with a web process and a worker, from all but the clients.

    These reach both web processes: the one that is parted knows no other primary.
    """
    apart = [await machines.primary(), web, worker]
    others = machines.network.but(*apart, machines.network[CLIENTS])
    async with machines.network.lost(apart, others):
        yield


@contextlib.asynccontextmanager
async def powerless(machines: Machines) -> AsyncIterator[None]:
    """Have n8n end while nobody hears of it, and start again: what ran has ended nowhere."""
    async with machines.network.cut(machines.network[N8N]):
        await machines.n8n.stop()
        await machines.n8n.start()
        yield


def in_turn(machines: Machines, rounds: int, random: Random) -> Iterator[NetworkFault]:
    """Choose a fault for each round, each before any comes again, and a failover after it."""
    coming: list[NetworkFault] = []
    for _ in range(rounds):
        if not coming:
            coming = faults(machines, random)
            random.shuffle(coming)
        yield coming.pop()
        yield fail_over(machines)


def of_kinds(machines: Machines, kinds: Iterable[str], random: Random) -> Iterator[NetworkFault]:
    """Choose the faults of these kinds, in this order."""
    found = {fault.name: fault for fault in (*faults(machines, random), fail_over(machines))}
    return (found[kind] for kind in kinds)


async def strike(machines: Machines, chosen: Iterable[NetworkFault], span_s: Span) -> None:
    """Have these faults, one after the other, each for a span of time and with a pause after it."""
    for fault in chosen:
        machines.storm.book.strike(fault.name)
        async with fault.begin():
            await asyncio.sleep(span_s())
        await machines.store.settled()
        await asyncio.sleep(PAUSE_S)


def kind(host: Host) -> str:
    """Report what a host is for, whichever of its kind."""
    return host.name.partition("-")[0]
