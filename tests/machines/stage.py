"""The bridge on many machines: each of its processes on a host of its own.

This process is n8n's host: the stand-in is in it, and so is the ledger. Claude's clients and the
senders are in it too, but all that they send leaves from a host of their own.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bridge.standin.serving import serving as serving_standin
from bridge.standin.standin import Standin
from tests.bridge_processes import Bridge, Child, end, environment, has_started
from tests.chaos.approving import OPERATOR_TOKEN
from tests.chaos.scale import Scale
from tests.chaos.server_file import SERVER, server_file
from tests.chaos.storm import Storm
from tests.claude import UNLIMITED
from tests.machines.balancer import Balancer
from tests.machines.hosts import Host, Network, network
from tests.proxy import accepting
from tests.sentinels import Place, Replicated, replicated

N8N, CLIENTS = "n8n", "clients"
STORES = ("store-0", "store-1")
SENTINELS = ("sentinel-0", "sentinel-1", "sentinel-2")
WEBS = ("web-0", "web-1")
WORKERS = ("worker-0", "worker-1", "worker-2")
NAMES = (N8N, CLIENTS, *STORES, *SENTINELS, *WEBS, *WORKERS)

N8N_PORT, WEB_PORT, STORE_PORT, SENTINEL_PORT = 5678, 8080, 6379, 26379
SETTINGS = {
    "BRIDGE_KEEPALIVE_S": "5",
    "BRIDGE_OPERATOR_TOKEN": OPERATOR_TOKEN,
    "BRIDGE_REPLICAS_MIN": "1",
}


class ServedN8n:
    """The stand-in on its host, where it can lose its power."""

    def __init__(self, standin: Standin, address: str) -> None:
        self._standin = standin
        self._address = address
        self._serving = contextlib.AsyncExitStack()

    async def start(self) -> str:
        """Start it, with what has parked; returns its address."""
        serving = serving_standin(self._standin, N8N_PORT, self._address)
        return await self._serving.enter_async_context(serving)

    async def stop(self) -> None:
        """Break off all that it does."""
        await self._serving.aclose()


@dataclass(frozen=True)
class Machines:
    """The hosts, what is on them, and the storm over all."""

    network: Network
    n8n: ServedN8n
    store: Replicated
    storm: Storm

    async def primary(self) -> Host:
        """Return the host of the server that is the primary now."""
        address = (await self.store.primary()).place.address
        return next(self.network[name] for name in STORES if self.network[name].address == address)


@contextlib.asynccontextmanager
async def machines(folder: Path, seed: str, scale: Scale) -> AsyncIterator[Machines]:
    """Set the stage, with everyone connected.

    Raises:
        NoHostsError: there are no hosts on this system.
    """
    async with network(*NAMES) as hosts, contextlib.AsyncExitStack() as stack:
        hosts[N8N].enter()
        n8n = await stack.enter_async_context(Standin(has_control=True))
        served = ServedN8n(n8n, hosts[N8N].address)
        stack.push_async_callback(served.stop)
        n8n_url = await served.start()
        store = await stack.enter_async_context(
            replicated(
                folder,
                servers=[place(hosts[name], STORE_PORT) for name in STORES],
                sentinels=[place(hosts[name], SENTINEL_PORT) for name in SENTINELS],
            )
        )
        http = await stack.enter_async_context(
            httpx2.AsyncClient(timeout=60, trust_env=False, limits=UNLIMITED)
        )
        environ = environment(folder, store.url, n8n_url) | SETTINGS
        file = folder / "servers" / f"{SERVER}.json"
        file.write_text(json.dumps(server_file(n8n_url)))
        webs = [(hosts[name].address, WEB_PORT) for name in WEBS]
        proxies = [Balancer(hosts[CLIENTS], webs) for _ in range(3)]
        steady = Balancer(hosts[N8N], webs)
        for proxy in (*proxies, steady):
            await stack.enter_async_context(accepting(proxy))
        environ["BRIDGE_PUBLIC_URL"] = steady.url
        bridge = Bridge(n8n, n8n_url, http, folder, environ)
        stack.push_async_callback(end, bridge)
        try:
            await start(bridge, hosts)
            storm = Storm(seed, scale, bridge, [*proxies], steady, stack)
            await storm.gather()
            yield Machines(hosts, served, store, storm)
        except BaseException as error:
            error.add_note(bridge.last_words())
            raise


async def start(bridge: Bridge, hosts: Network) -> None:
    """Start a process of the bridge on each host that is for one."""
    for host in (hosts[name] for name in WEBS):
        environ = bridge.environ | {"BRIDGE_HOST": host.address, "BRIDGE_PORT": str(WEB_PORT)}
        web = Child(host.name, ("web",), environ, bridge.folder, bridge.answers, prefix=host.prefix)
        bridge.webs.append(web)
    for host in (hosts[name] for name in WORKERS):
        worker = Child(
            host.name, ("worker",), bridge.environ, bridge.folder, has_started, prefix=host.prefix
        )
        bridge.workers.append(worker)
    await asyncio.gather(*(child.start() for child in (*bridge.webs, *bridge.workers)))


def place(host: Host, port: int) -> Place:
    """Return where a server on a host is."""
    return Place(host.address, port, host.prefix)
