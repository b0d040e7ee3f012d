"""A worker in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.ending import end
from bridge.handler_processes.pool import HandlerProcesses
from bridge.n8n.client import N8n
from bridge.net.receivers import Receivers
from bridge.queue import QUEUE_NAME
from bridge.runtime import Runtime, open_runtime
from bridge.verbs.subscriptions import SubscriptionDeliveries, Subscriptions
from workers import bookkeeping
from workers.jobs import jobs
from workers.sweeper import Sweeper
from workers.worker import AsyncWorker

PATIENCE_S = 5.0


@contextlib.contextmanager
def hurried() -> Iterator[None]:
    """Have workers look often whether they shall end: none waits a second for a job at its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bookkeeping, "TAKE_WAIT_S", 0.05)
        yield


def with_receivers(runtime: Runtime, receivers: Receivers) -> Runtime:
    """Return a process that sends events of subscriptions by other receivers than its own."""
    kept, arrivals = runtime.stores.subscriptions, runtime.stores.arrivals
    mcp, workers = runtime.mcp, runtime.workers
    deliveries = SubscriptionDeliveries(
        kept, arrivals, receivers, mcp.authenticator, mcp.servers, mcp.settings.event_ttl_s
    )
    return replace(
        runtime,
        mcp=replace(mcp, subscriptions=Subscriptions(kept, arrivals, receivers)),
        workers=replace(workers, deliveries=deliveries),
    )


@contextlib.asynccontextmanager
async def working(
    settings: Settings, *servers: Server, receivers: Receivers | None = None
) -> AsyncIterator[None]:
    """Run the calls and deliver the replies of these servers; what runs at the end is given up."""
    named, stop = {server.name: server for server in servers}, asyncio.Event()
    with hurried():
        async with (
            open_runtime(settings, named, "worker", PATIENCE_S) as opened,
            N8n() as n8n,
        ):
            runtime = with_receivers(opened, receivers) if receivers else opened
            sweeping = asyncio.create_task(Sweeper(runtime.workers).run())
            jobs_of = jobs(runtime.workers, n8n, HandlerProcesses({}))
            connection = opened.connections.blocking()
            worker = AsyncWorker([QUEUE_NAME], connection, opened.redis, jobs_of)
            running = asyncio.create_task(worker.run(stop, drain_s=0))
            try:
                yield
            finally:
                stop.set()
                await end(sweeping)
                await asyncio.gather(running, return_exceptions=True)
