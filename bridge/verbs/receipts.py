"""Receipts: what an answer hands over, and what becomes of it when the answer arrives or does not.

A receipt is a text: `event ID TOKEN`, `call ID`, or empty for an answer that hands nothing over.
"""

from bridge.models import CallId, EventId, LeaseToken
from bridge.store.calls import CallStore
from bridge.store.events import EventStore

NOTHING = ""


def of_event(event_id: EventId, token: LeaseToken) -> str:
    """Make the receipt of an answer that gives its reader a lease."""
    return f"event {event_id} {token}"


def of_call(call_id: CallId) -> str:
    """Make the receipt of an answer that gives its reader the result of a call."""
    return f"call {call_id}"


class Receipts:
    """Decides what follows from the fate of answers."""

    def __init__(self, events: EventStore, calls: CallStore) -> None:
        self._events = events
        self._calls = calls

    async def hold(self, receipt: str) -> None:
        """Answer for what is about to be written: if this process dies now, it was not received."""
        match receipt.split():
            case ["event", event_id, token]:
                await self._events.hold(event_id, token)

    async def confirm(self, receipt: str) -> None:
        """Act on an answer that was surely received."""
        match receipt.split():
            case ["event", event_id, token]:
                await self._events.handed_over(event_id, token)
            case ["call", call_id]:
                await self._calls.handed_over(call_id)

    async def lose(self, receipt: str) -> None:
        """Act on an answer that was surely not received: an event goes back, uncounted."""
        match receipt.split():
            case ["event", event_id, token]:
                await self._events.abandon(event_id, token)
