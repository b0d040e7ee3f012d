"""Records that are made of earlier ones: the same call or payload again, as new."""

import asyncio
import math

from bridge.models import Body, Call, CallId, Event, EventId
from bridge.store.calls import CallRow, read_call
from bridge.store.events import EventStore, NewEvent
from bridge.store.new_calls import NewCall
from bridge.store.steps import Errand, Steps, step


@step("again.call")
async def _call(steps: Steps, *, of: CallId, by: str, new: NewCall) -> CallRow | None:
    """Put a call on record that runs an earlier one again."""


@step("again.copy_files")
async def _copy_files(steps: Steps, *, of: EventId, event_id: EventId, lives_s: int) -> None:
    """Copy the files of an event for one that is made of it."""


@step("again.link_events")
async def _link(steps: Steps, *, of: EventId, event_id: EventId, by: str) -> None:
    """Have two events name each other."""


class AgainStore:
    """Speaks Redis for what is run again as new; each of the two records names the other."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._events = EventStore(steps)

    async def earlier_call(self, call_id: CallId) -> Call | None:
        """Read a call, without its result."""
        row = await read_call(self._steps, call_id=call_id)
        return row.call() if row else None

    async def earlier_event(self, event_id: EventId) -> tuple[Event, Body] | None:
        """Read an event with its payload."""
        event = await self._events.read(event_id)
        found = await self._events.read_body(event_id)
        return (event, found[1]) if event and found else None

    async def call(self, of: CallId, by: str, new: NewCall, waking: Errand | None) -> Call | None:
        """Run a call again as `new`, which `waking` wakes a worker for; None where it is gone."""
        row = await _call.with_errand(self._steps, waking, of=of, by=by, new=new)
        return row.call() if row else None

    async def event(self, of: EventId, by: str, new: NewEvent, *, has_files: bool) -> Event:
        """Bring a payload again as `new`, the files of the earlier event too where it `has_files`.

        The files come first, so that no taker of the new event misses them.
        """
        event_id, lives_s = new.event_id, math.ceil(new.answer_within_s + new.ttl_s)
        if has_files:
            await _copy_files(self._steps, of=of, event_id=event_id, lives_s=lives_s)
        accepted, _ = await asyncio.gather(
            self._events.accept(new), _link(self._steps, of=of, event_id=event_id, by=by)
        )
        event: Event | None = accepted[1]
        assert event, "nothing stands in the way of an event without a key"
        return event
