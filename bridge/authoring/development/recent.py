"""The newest events and calls, looked at again while they are under way."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol, TypeVar

from bridge.authoring.development.activity import Activity, of_call, of_event
from bridge.errors import BridgeError, NotFoundError
from bridge.verbs.operators import Operators, RecordFilter

KEPT = 200
LOOK_AGAIN_S = 0.5
PAGE = 200
LOOKED_AT = 10
"""So many of the newest are looked at again though they have ended: some are put back."""


class Numbered(Protocol):
    """A record that came after those with lesser order numbers."""

    @property
    def order(self) -> int:
        """Its order number."""


Found = TypeVar("Found", bound=Numbered)


class RecentActivity:
    """Keeps the newest events and calls of all servers, as they were at the last look.

    The first look finds those that came in the `ago_s` seconds before it.
    """

    def __init__(self, operators: Operators, ago_s: float) -> None:
        self._operators = operators
        self._known: dict[str, Activity] = {}
        self._begins_before = timedelta(seconds=ago_s)
        self._after_events = self._after_calls = 0

    @property
    def newest_first(self) -> list[Activity]:
        """Return what is kept, newest first."""
        return sorted(self._known.values(), key=lambda each: each.order, reverse=True)

    async def look(self) -> list[Activity]:
        """Return what is new or has changed since the last look, oldest first."""
        if not self._after_events:
            begins_at = await self._operators.order_at(self._begins_before)
            self._after_events = self._after_calls = begins_at
        events, self._after_events = await _new(self._operators.events, self._after_events)
        calls, self._after_calls = await _new(self._operators.calls, self._after_calls)
        newest = {each.record_id for each in self.newest_first[:LOOKED_AT]}
        known = [each for each in self._known.values() if each.is_open or each.record_id in newest]
        found = [
            *[await self._event(event.event_id) for event in events],
            *[await self._call(call.call_id) for call in calls],
            *[await self._again(each) for each in known],
        ]
        changed = [each for each in found if each and self._known.get(each.record_id) != each]
        self._known |= {each.record_id: each for each in changed}
        self._known = {each.record_id: each for each in self.newest_first[:KEPT]}
        return sorted(changed, key=lambda each: each.stages[-1].at_ms)

    async def _again(self, known: Activity) -> Activity | None:
        read = self._call if known.is_call else self._event
        return await read(known.record_id)

    async def _event(self, event_id: str) -> Activity | None:
        return await _unless_gone(self._operators.event(event_id), of_event)

    async def _call(self, call_id: str) -> Activity | None:
        return await _unless_gone(self._operators.call(call_id), of_call)


class Output(Protocol):
    """Where it is shown what happens."""

    def say(self, text: str, /) -> None:
        """Show a message."""

    def show(self, changed: Sequence[Activity], newest_first: Sequence[Activity], /) -> None:
        """Show what has changed, and how all stands now."""


async def follow(recent: RecentActivity, output: Output) -> None:
    """Show what happens as it happens; never returns."""
    said = ""
    while True:
        now = ""
        try:
            output.show(await recent.look(), recent.newest_first)
        except BridgeError as error:
            now = str(error)
        if now != said:
            output.say(now or "the store answers again")
            said = now
        await asyncio.sleep(LOOK_AGAIN_S)


Record = TypeVar("Record")
History = TypeVar("History")


async def _unless_gone(
    reading: Awaitable[tuple[Record, History]], make: Callable[[Record, History], Activity]
) -> Activity | None:
    try:
        return make(*await reading)
    except NotFoundError:
        return None


async def _new(
    listed: Callable[[RecordFilter], Awaitable[Iterable[Found]]], after: int
) -> tuple[list[Found], int]:
    """Return the newest of those that came after an order number, and the last one's number."""
    found: list[Found] = []
    wanted = RecordFilter(after=after, limit=PAGE)
    while page := list(await listed(wanted)):
        found = [*found, *page][-KEPT:]
        wanted = replace(wanted, after=page[-1].order)
    return found, wanted.after
