"""Scenarios: what one version of the bridge begins, and another goes on with.

A scenario is an asynchronous generator. What stands before its one `yield` happens at processes of
one version, the rest at those of another; which is which, and what becomes of the first ones in
between, is the tests' to say.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from tests.doors.receiver import Receiver
from tests.raw_server import RawServer
from tests.upgrade.desk import Desk

LONGEST_S = 90.0
"""How long either half may take: a stream on which nothing comes but signs of life never ends."""


@dataclass(frozen=True)
class Stage:
    """The same server before the change and after it.

    `gate` is set once the change is over; until then the receiver and the other n8n, which takes
    replies and nothing else, leave requests unanswered.
    """

    before: Desk
    after: Desk
    gate: asyncio.Event
    receiver: Receiver
    other_n8n: RawServer


Act = Callable[[Stage], AsyncGenerator[None, None]]


@dataclass(frozen=True)
class Scenario:
    """One of them.

    With `needs_no_worker` it begins while no worker runs, with `needs_deaths` only where the first
    processes are killed, with `needs_lives` only where they live on.
    """

    act: Act
    needs_no_worker: bool = False
    needs_deaths: bool = False
    needs_lives: bool = False

    @property
    def name(self) -> str:
        """Name it as its function is named."""
        return self.act.__name__


@dataclass
class Performance:
    """Scenarios on one stage, and what went wrong with each."""

    stage: Stage
    faults: dict[str, BaseException] = field(default_factory=dict)
    _begun: dict[str, AsyncGenerator[None, None]] = field(default_factory=dict)

    async def begin(self, scenarios: Sequence[Scenario]) -> None:
        """Begin all of them at once."""
        self._begun |= {each.name: each.act(self.stage) for each in scenarios}
        await asyncio.gather(*(self._begin(each.name) for each in scenarios))

    async def end(self) -> None:
        """End all that have begun."""
        await asyncio.gather(*(self._end(name) for name in self._begun if name not in self.faults))

    async def _begin(self, name: str) -> None:
        try:
            async with asyncio.timeout(LONGEST_S):
                await anext(self._begun[name])
        except BaseException as fault:  # noqa: BLE001  the test of its name raises it
            self.faults[name] = fault

    async def _end(self, name: str) -> None:
        try:
            async with asyncio.timeout(LONGEST_S):
                await anext(self._begun[name], None)
        except BaseException as fault:  # noqa: BLE001  as above
            self.faults[name] = fault
