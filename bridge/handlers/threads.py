"""The threads that handlers have work done in, by `asyncio.to_thread` and the like."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from typing_extensions import override

_begun: ContextVar[set[Future[Any]]] = ContextVar("begun")


class HandlerThreads(ThreadPoolExecutor):
    """The threads of an event loop, which know for which run of a handler each of them works."""

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        work = super().submit(fn, *args, **kwargs)
        if (begun := _begun.get(None)) is not None:
            begun.add(work)
            work.add_done_callback(begun.discard)
        return work


def watch_threads() -> set[Future[Any]]:
    """Return what threads work on for the task that asks, from now on."""
    begun: set[Future[Any]] = set()
    _begun.set(begun)
    return begun


async def ended(work: set[Future[Any]]) -> None:
    """Wait until threads have ended what they work on."""
    if running := [asyncio.wrap_future(each) for each in list(work)]:
        await asyncio.wait(running)
