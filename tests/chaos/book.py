"""What the clients hold in their hands: all that was accepted, and what became of it."""

import time
from collections import Counter
from dataclasses import dataclass, field

from tests.journeys import INTERRUPTED

BROKEN_OFF = "the connection to n8n broke before it had answered; the workflow may have run"


@dataclass
class CallRecord:
    """One call as its client knows it; times are seconds since 1970, `failure` is n8n's or ours."""

    label: str
    tool: str
    seconds: float
    wire: str
    accepted_at: float = 0
    settled_at: float = 0
    failure: str = ""
    execution: str = ""
    story: list[tuple[float, str]] = field(default_factory=list, repr=False)

    @property
    def was_interrupted(self) -> bool:
        """Report whether the bridge said that it may have run, and stopped there."""
        return INTERRUPTED in self.failure

    @property
    def was_broken_off(self) -> bool:
        """Report whether n8n broke off when it may have run."""
        return BROKEN_OFF in self.failure

    @property
    def took_s(self) -> float:
        """Report how long it took beyond its time in n8n."""
        return self.settled_at - self.accepted_at - self.seconds


@dataclass
class EventRecord:
    """One event as its sender knows it: all the ids that its key was ever given."""

    key: str
    execution_id: str
    accepted_at: float = 0
    event_ids: set[str] = field(default_factory=set)


@dataclass
class Book:
    """All that was asked, by label or key; `seen` counts what is told of beside the promises."""

    calls: dict[str, CallRecord] = field(default_factory=dict)
    events: dict[str, EventRecord] = field(default_factory=dict)
    successes_at: list[float] = field(default_factory=list)
    faults: list[tuple[float, str]] = field(default_factory=list)
    approved_at: dict[str, float] = field(default_factory=dict)
    refused_at: dict[str, float] = field(default_factory=dict)
    """When calls were approved and refused first, by label: before anything of that was sent."""
    dropped: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Answers that no client should ever get, in words."""

    def accept_call(self, call: CallRecord) -> None:
        """Record the first 2xx for a call."""
        call.accepted_at = call.accepted_at or time.time()

    def settle_call(self, call: CallRecord, *, failure: str = "", execution: str = "") -> None:
        """Record how a call ended."""
        self.accept_call(call)
        call.settled_at, call.failure, call.execution = time.time(), failure, execution
        if not failure:
            self.succeed()

    def accept_event(self, event: EventRecord, event_id: str) -> None:
        """Record a 2xx for an event."""
        event.accepted_at = event.accepted_at or time.time()
        event.event_ids.add(event_id)
        self.succeed()

    def succeed(self) -> None:
        """Record that something went well just now."""
        self.successes_at.append(time.time())

    def strike(self, fault: str) -> None:
        """Record a fault that begins now."""
        self.faults.append((time.time(), fault))
