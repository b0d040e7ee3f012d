"""One worker process: from its first connection to its drained end."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from redis.asyncio import Redis

from bridge.alerting import watch_alerts
from bridge.configuration.servers import Server
from bridge.ending import end
from bridge.errors import ConfigurationError
from bridge.handler_processes.pool import HandlerProcesses
from bridge.n8n.client import N8n
from bridge.queue import QUEUE_NAME
from bridge.reload import Reloader, Step
from bridge.runtime import open_runtime
from bridge.store.steps import Steps
from workers.jobs import jobs
from workers.sweeper import Sweeper
from workers.worker import AsyncWorker

PATIENCE_S = 3600.0
"""A worker waits out a Redis that is away: what it knows of finished calls must not be lost."""


T = TypeVar("T")


async def unless_stopped(stop: asyncio.Event, opening: Coroutine[Any, Any, T]) -> T | None:
    """Wait until this is open; None for one that was told to stop first."""
    opened, stopped = asyncio.ensure_future(opening), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({opened, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return opened.result() if opened.done() else None
    finally:
        await end(*(task for task in (opened, stopped) if not task.done()))


async def unless_ended(steps: Steps, working: asyncio.Task[None]) -> None:
    """Wait until the work is done, or the store takes no step of this process any more.

    Raises:
        ConfigurationError: why it is to be left.
    """
    ended = asyncio.create_task(steps.ended.wait())
    try:
        await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done() and steps.fault:
            raise ConfigurationError((steps.fault.sentence,))
        await working
    finally:
        await end(ended, working)


def prepared(handlers: HandlerProcesses, servers: Mapping[str, Server]) -> Step:
    """Return the step from which on the handlers of these servers are run."""
    return partial(handlers.replace, servers)


async def run_worker(reloader: Reloader, concurrency: int) -> None:
    """Run calls and deliver replies until SIGTERM or Ctrl-C, then drain."""
    settings, servers = reloader.settings, reloader.servers
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        opening = stack.enter_async_context(open_runtime(settings, servers, "worker", PATIENCE_S))
        runtime = await unless_stopped(stop, opening)
        if runtime is None:
            return
        n8n = await stack.enter_async_context(N8n())
        handlers = HandlerProcesses(reloader.environ)
        await stack.enter_async_context(handlers.running(servers))
        sweeping = asyncio.create_task(Sweeper(runtime.workers).run())
        watching = asyncio.create_task(watch_alerts(runtime, reloader.alerts))
        runtime.stores.runs.places = runtime.load.places = concurrency
        # Those beyond are for calls that ask for a place, and for who holds none while others wait.
        at_once = concurrency + max(concurrency // 8, 1)
        client = await stack.enter_async_context(Redis.from_pool(runtime.connections.pool()))
        connection = runtime.connections.blocking()
        functions = jobs(runtime.workers, n8n, handlers)
        worker = AsyncWorker([QUEUE_NAME], connection, client, functions, at_once)
        runtime.load.calls, runtime.load.is_draining = worker.running, stop.is_set
        # What is loaded now stays: collections that look through it again would stop the process
        # for a tenth of a second each.
        gc.collect()
        gc.freeze()
        working = asyncio.create_task(
            worker.run(stop, settings.drain_s, runtime.workers.runs.hand_over)
        )
        try:
            async with reloader.running(runtime, partial(prepared, handlers)):
                await unless_ended(runtime.steps, working)
        finally:
            await end(sweeping, watching)
