"""How what operators watch stands, read again and again while somebody watches."""

from typing import NamedTuple

from bridge.store.steps import Steps, step


class ListsRow(NamedTuple):
    """How the lists of events, calls and replies stand."""

    counted: dict[str, float]
    order: str
    due_calls: int
    running: int
    due_replies: list[str]


@step("changes.lists")
async def _lists(steps: Steps) -> ListsRow:
    """Read how the lists stand."""


@step("changes.event")
async def _event(steps: Steps, *, event_id: str) -> list[str]:
    """Read how an event stands."""


@step("changes.call")
async def _call(steps: Steps, *, call_id: str) -> list[str]:
    """Read how a call stands."""


class ChangeStore:
    """Speaks Redis for whoever looks whether something has changed."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def lists(self) -> ListsRow:
        """Return how the lists of events, calls and replies stand."""
        return await _lists(self._steps)

    async def event(self, event_id: str) -> list[str]:
        """Return how an event stands, with its reply."""
        return await _event(self._steps, event_id=event_id)

    async def call(self, call_id: str) -> list[str]:
        """Return how a call stands, likewise."""
        return await _call(self._steps, call_id=call_id)
