"""Following what is new: the same for all kinds of records."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from bridge.operating import Operation, operate
from bridge.verbs.operators import Wanted

LOOK_AGAIN_S = 0.5
PAGE = 200


class Ordered(Protocol):
    """A record that came after those with lesser order numbers."""

    @property
    def order(self) -> int:
        """Its order number."""


Record = TypeVar("Record", bound=Ordered)


async def after(operation: Operation, since_s: float | None) -> int:
    """Give the order number after which records are of the last `since_s` seconds; None is all."""
    return 0 if since_s is None else await operation.operators.order_at(since_s)


def tail(
    environ: Mapping[str, str],
    since_s: float | None,
    look: Callable[[Operation, Wanted], Awaitable[Sequence[Record]]],
    show: Callable[[Sequence[Record], bool], None],
) -> None:
    """Show records as they come, until Ctrl-C; `show` is told whether they are the first."""

    async def work(operation: Operation) -> None:
        seen, is_first = await after(operation, since_s or 0), True
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        while not stop.is_set():
            found = await look(operation, Wanted(after=seen, limit=PAGE))
            if found:
                show(found, is_first)
                seen, is_first = found[-1].order, False
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_AGAIN_S)

    operate(environ, work)
