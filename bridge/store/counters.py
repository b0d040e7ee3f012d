"""Totals on record: counted in the very steps that change things, so they are exact and survive."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bridge.models import Pause
from bridge.store.alerts import firing_of, rule_and_place
from bridge.store.breakers import is_open
from bridge.store.histograms import Counted, Histogram, Name, counted_of
from bridge.store.pauses import read_pauses
from bridge.store.steps import Steps, step

OPENED = "reply_circuits_opened"
"""The name of the total of an origin's failures."""
DROPPED = "outbox_dropped"
"""The name of the total of frames that made room for later ones."""


class InboxRow(NamedTuple):
    """How many events of a hook have a status."""

    server: str
    hook: str
    status: str
    size: int


class OldestRow(NamedTuple):
    """How long ago the oldest event came that is queued on a hook; 0 where none is."""

    server: str
    hook: str
    age_ms: int


class CallsRow(NamedTuple):
    """How many calls of a workflow run, and how many wait for their turn."""

    server: str
    workflow: str
    running: int
    waiting: int


class TotalsRow(NamedTuple):
    """Every total by its labels, and what is there right now."""

    counted: dict[str, float]
    inboxes: list[InboxRow]
    oldest: list[OldestRow]
    calls: list[CallsRow]
    due_calls: int
    unapproved: int
    due_replies: int
    dead_replies: int
    late_ms: int
    sessions: int
    live_processes: list[str]
    breakers: dict[str, bytes]
    identity: str | None
    memory: dict[str, int]
    paused: bytes | None
    alerts: dict[str, bytes]


@step("totals.read")
async def _read(
    steps: Steps, *, hooks: Sequence[tuple[str, str]], workflows: Sequence[tuple[str, str]]
) -> TotalsRow:
    """Read every total, and how some hooks and workflows stand."""


@dataclass(frozen=True)
class Totals:
    """What was counted since the store was made, and what is there now.

    `oldest_s` is by server and hook, `calls` by server and tool: how many run and how many wait for
    their turn, `unapproved` how many wait until somebody approves of them. `late_s` says for how
    long the call has been due that waits longest for a worker, `memory` is empty where Redis does
    not let itself be asked.
    """

    counted: Counted
    inboxes: dict[tuple[str, str, str], int] = field(default_factory=dict)
    oldest_s: dict[tuple[str, str], float] = field(default_factory=dict)
    calls: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    due_calls: int = 0
    unapproved: int = 0
    due_replies: int = 0
    dead_replies: int = 0
    late_s: float = 0
    sessions: int = 0
    live_processes: tuple[str, ...] = ()
    circuits: dict[str, bool] = field(default_factory=dict)
    """Of each failing origin, whether replies to it rest."""
    memory: dict[str, int] = field(default_factory=dict)
    paused: tuple[Pause, ...] = ()
    firing: dict[str, int] = field(default_factory=dict)
    """In how many places each rule of the alerts fires."""
    standing: frozenset[tuple[str, str]] = frozenset()
    """The rules that are on record for holding, each with its place; not all of them fire yet."""
    made_at_s: float = 0
    """When the store was made, or was found to be another than before."""

    def with_zeros(
        self, known: Iterable[Name], histograms: Iterable[Name], rules: Iterable[str] = ()
    ) -> "Totals":
        """Add a zero for each of these that was never counted, a calm origin for each.

        Of `rules`, those of the alerts, those that do not fire have a zero too.
        """
        known = tuple(known)
        calm = dict.fromkeys((each[1] for each in known if each[0] == OPENED), False)
        counted = replace(
            self.counted,
            totals=dict.fromkeys(known, 0.0) | self.counted.totals,
            histograms={each: Histogram() for each in histograms} | self.counted.histograms,
        )
        firing = dict.fromkeys(rules, 0) | self.firing
        return replace(self, counted=counted, circuits=calm | self.circuits, firing=firing)


class Counters:
    """Speaks Redis for totals."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def read(
        self, hooks: Iterable[tuple[str, str]], workflows: Iterable[tuple[str, str]] = ()
    ) -> Totals:
        """Read every total, and how each (server, hook) and (server, workflow) stands."""
        row = await _read(self._steps, hooks=list(hooks), workflows=list(workflows))
        made_at_ms = (row.identity or "").rpartition(" ")[2]
        return Totals(
            counted=counted_of(row.counted),
            inboxes={(each.server, each.hook, each.status): each.size for each in row.inboxes},
            oldest_s={(each.server, each.hook): each.age_ms / 1000 for each in row.oldest},
            calls={
                (each.server, each.workflow): (each.running, each.waiting) for each in row.calls
            },
            due_calls=row.due_calls,
            unapproved=row.unapproved,
            due_replies=row.due_replies,
            dead_replies=row.dead_replies,
            late_s=row.late_ms / 1000,
            sessions=row.sessions,
            live_processes=tuple(row.live_processes),
            circuits={origin: is_open(circuit) for origin, circuit in row.breakers.items()},
            memory=row.memory,
            paused=tuple(read_pauses(row.paused)),
            firing=firing_of(row.alerts),
            standing=frozenset(map(rule_and_place, row.alerts)),
            made_at_s=int(made_at_ms or 0) / 1000,
        )
