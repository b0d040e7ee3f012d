"""Totals on record: counted in the very steps that change things, so they are exact and survive."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bridge.store.breakers import is_open
from bridge.store.steps import Steps, step

OPENED = "reply_circuits_opened"
"""The name of the total of an origin's failures."""


class InboxRow(NamedTuple):
    """How many events of a hook have a status."""

    server: str
    hook: str
    status: str
    size: int


class TotalsRow(NamedTuple):
    """Every total by its labels, and what is there right now."""

    counted: dict[str, float]
    inboxes: list[InboxRow]
    due_calls: int
    due_replies: int
    live_processes: int
    breakers: dict[str, bytes]
    identity: str | None


@step("totals.read")
async def _read(steps: Steps, *, hooks: Sequence[tuple[str, str]]) -> TotalsRow:
    """Read every total, and the size of the inboxes of some hooks."""


@dataclass(frozen=True)
class Totals:
    """What was counted since the store was made, by (name, labels…), and what is there now."""

    counted: dict[tuple[str, ...], float]
    inboxes: dict[tuple[str, str, str], int]
    due_calls: int
    due_replies: int
    live_processes: int
    circuits: dict[str, bool]
    """Of each failing origin, whether replies to it rest."""
    made_at_s: float = 0
    """When the store was made, or was found to be another than before."""

    def with_zeros(self, known: Iterable[tuple[str, ...]]) -> "Totals":
        """Add a zero for each of these totals that was never counted, a calm origin for each."""
        known = tuple(known)
        calm = dict.fromkeys((each[1] for each in known if each[0] == OPENED), False)
        return replace(
            self,
            counted=dict.fromkeys(known, 0.0) | self.counted,
            circuits=calm | self.circuits,
        )


class Counters:
    """Speaks Redis for totals."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def read(self, hooks: Iterable[tuple[str, str]]) -> Totals:
        """Read every total, and the size of the inbox of each (server, hook)."""
        row = await _read(self._steps, hooks=list(hooks))
        made_at_ms = (row.identity or "").rpartition(" ")[2]
        return Totals(
            counted={tuple(name.split("|")): total for name, total in row.counted.items()},
            inboxes={(each.server, each.hook, each.status): each.size for each in row.inboxes},
            due_calls=row.due_calls,
            due_replies=row.due_replies,
            live_processes=row.live_processes,
            circuits={origin: is_open(circuit) for origin, circuit in row.breakers.items()},
            made_at_s=int(made_at_ms or 0) / 1000,
        )
