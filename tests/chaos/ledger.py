"""The ledger: what the clients hold, set against what n8n has seen."""

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.standin.standin import Standin
from tests.chaos.approving import REASON
from tests.chaos.book import Book, CallRecord, EventRecord
from tests.chaos.server_file import CALLED_BACK, GATED, ONCE

TOLD_BEFORE_S = 15.0
"""A story begins so long before its call: a frozen process or store may be cause of it."""


@dataclass(frozen=True)
class Kept:
    """What the bridge itself has on record, by status."""

    calls: Counter[str]
    events: Counter[str]

    @property
    def open(self) -> int:
        """Count what is not at its end."""
        return self.calls["queued"] + self.calls["running"] + sum(self.events.values())


@dataclass(frozen=True)
class Ledger:
    """What became of all that was accepted."""

    book: Book
    n8n: Standin
    kept: Kept

    @property
    def calls(self) -> list[CallRecord]:
        """Return every call that was asked for."""
        return list(self.book.calls.values())

    @property
    def events(self) -> list[EventRecord]:
        """Return every event that was accepted."""
        return [event for event in self.book.events.values() if event.accepted_at]

    @property
    def runs(self) -> Counter[object]:
        """Count how often n8n was asked to run each call, by label."""
        seen = (each for each in self.n8n.seen.of() if each.path.startswith("/webhook/"))
        return Counter(each.body.get("label") for each in seen if isinstance(each.body, dict))

    @property
    def resumes(self) -> Counter[str]:
        """Count how often each execution took a reply."""
        seen = (each for each in self.n8n.seen.of() if each.path.startswith("/webhook-waiting/"))
        return Counter(str(each.execution) for each in seen if each.outcome == 200)

    @property
    def lost(self) -> list[str]:
        """Name the calls that were never settled, and the events whose reply never came."""
        resumes = self.resumes
        return [
            *(call.label for call in self.calls if not call.settled_at),
            *(event.key for event in self.events if not resumes[event.execution_id]),
        ]

    @property
    def twice(self) -> list[str]:
        """Name what happened twice and must not: runs, deliveries, events."""
        runs, resumes = self.runs, self.resumes
        return [
            *(call.label for call in self.calls if call.tool in ONCE and runs[call.label] > 1),
            *(event.key for event in self.events if resumes[event.execution_id] > 1),
            *(event.key for event in self.events if len(event.event_ids) > 1),
        ]

    def story(self, name: str) -> list[str]:
        """Tell what a call's client saw, what n8n saw of it, and what faults struck meanwhile."""
        call = self.book.calls.get(name)
        if call is None:
            return []
        runs = [
            (seen.started_at, f"n8n: {seen.path} {seen.headers.get('idempotency-key', '')}")
            for seen in self.n8n.seen.of()
            if isinstance(seen.body, dict) and seen.body.get("label") == name
        ]
        begun_at, ended_at = call.story[0][0] - TOLD_BEFORE_S, call.story[-1][0]
        faults = [(at, name) for at, name in self.book.faults if begun_at < at < ended_at]
        told = sorted([*call.story, *runs, *faults])
        return [f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f} {what}" for at, what in told]

    @property
    def wrong(self) -> list[str]:
        """Report what was told that is not so."""
        runs = self.runs
        return [
            *self.book.wrong,
            *(f"{c.label}: {c.failure}" for c in self.calls if c.failure and not self.is_honest(c)),
            *(
                f"{call.label} has a result but never ran"
                for call in self.calls
                if call.execution and not runs[call.label]
            ),
            *(f"{label} ran and nobody had approved of it" for label in self.ungated),
            *(f"{n} of the store's records are open" for n in [self.kept.open] if n),
            *(f"{n} calls were told as failed and are not" for n in [self.unfailed] if n > 0),
        ]

    @property
    def ungated(self) -> list[str]:
        """Name the runs of calls that somebody must approve which came before that was done."""
        gated = {call.label for call in self.calls if call.tool == GATED}
        runs = [
            (str(seen.body.get("label")), seen.started_at)
            for seen in self.n8n.seen.of()
            if seen.path.startswith("/webhook/") and isinstance(seen.body, dict)
        ]
        never = float("inf")
        approved_at = self.book.approved_at
        return [at for at, began in runs if at in gated and began < approved_at.get(at, never)]

    @property
    def unfailed(self) -> int:
        """Count the failures that clients were told of and that are none on the bridge's record."""
        return sum(bool(call.failure) for call in self.calls) - self.kept.calls["failed"]

    def is_honest(self, call: CallRecord) -> bool:
        """Report whether a failure is one that the promises allow."""
        if call.was_interrupted or (call.was_broken_off and self.has_n8n_failed):
            return call.tool in ONCE
        if f"refused by operator: {REASON}" in call.failure:
            return call.tool == GATED and call.label in self.book.refused_at
        return "timed out" in call.failure and not self.called_back(call)

    @property
    def has_n8n_failed(self) -> bool:
        """Report whether a fault struck n8n itself."""
        return any("n8n" in name for _, name in self.book.faults)

    def called_back(self, call: CallRecord) -> bool:
        """Report whether n8n's own call back for a call was taken."""
        return any(
            (execution := self.n8n.executions.find(seen.execution or "")) is not None
            and execution.status == "success"
            for seen in self.n8n.seen.of(f"/webhook/{CALLED_BACK}")
            if isinstance(seen.body, dict) and seen.body.get("label") == call.label
        )

    @property
    def longest_silence_s(self) -> float:
        """Return the longest time from a fault to the next thing that went well."""
        successes = sorted(self.book.successes_at)
        return longest(
            successes[at] - struck_at
            for struck_at, _ in self.book.faults
            if (at := bisect.bisect(successes, struck_at)) < len(successes)
        )

    @property
    def longest_call_s(self) -> float:
        """Return the longest time that a call took from its acceptance, less its time in n8n."""
        return longest(call.took_s for call in self.calls if call.settled_at)

    @property
    def longest_event_s(self) -> float:
        """Return the longest time from an event's acceptance to its reply in n8n."""
        taken_at = {
            seen.execution: seen.finished_at
            for seen in self.n8n.seen.of()
            if seen.path.startswith("/webhook-waiting/") and seen.outcome == 200
        }
        return longest(
            at - event.accepted_at
            for event in self.events
            if (at := taken_at.get(event.execution_id)) is not None
        )

    @property
    def is_good(self) -> bool:
        """Report whether every promise was kept."""
        return not (self.lost or self.twice or self.wrong)


def longest(spans_s: Iterable[float]) -> float:
    """Return the longest of some spans, 0 when there is none."""
    return max(spans_s, default=0.0)
