"""The ledger as people read it."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.machine import machine
from tests.chaos.ledger import Ledger

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
LEDGER = "ledger"


def ledger_lines(ledger: Ledger, command: str) -> Iterator[str]:
    """Write the ledger of what a command ran."""
    yield f"`{command}`, {datetime.now(UTC).date()}, {machine()}."
    yield from ("", "| | calls | events |", "|---|---:|---:|")
    yield from (f"| {name} | {calls} | {events} |" for name, calls, events in rows(ledger))
    faults = Counter(name for _, name in ledger.book.faults)
    told = ", ".join(f"{name} {count}" for name, count in sorted(faults.items()))
    dropped = sum(ledger.book.dropped.values())
    yield from ("", f"Faults: {sum(faults.values())} ({told}).")
    yield from ("", f"Requests that got no answer and were made again: {dropped}.")
    yield from (
        "",
        f"Longest from a fault to the next success: {ledger.longest_silence_s:.1f} s.",
    )


def rows(ledger: Ledger) -> Iterator[tuple[str, object, object]]:
    """Return the rows of the table: a name, what is so of calls, what is so of events."""
    calls, events = ledger.calls, ledger.events
    lost, twice = ledger.lost, set(ledger.twice)
    lost_calls = len(set(lost) & set(ledger.book.calls))
    twice_calls = len(twice & set(ledger.book.calls))
    kept = ledger.kept
    yield "accepted", sum(bool(call.accepted_at) for call in calls), len(events)
    yield (
        "settled",
        sum(bool(call.settled_at) for call in calls),
        len(events) - (len(lost) - lost_calls),
    )
    yield "**lost**", f"**{lost_calls}**", f"**{len(lost) - lost_calls}**"
    yield "**run or delivered twice**", f"**{twice_calls}**", f"**{len(twice) - twice_calls}**"
    interrupted = sum(call.was_interrupted for call in calls)
    yield "failed, and said so: interrupted after it was sent", interrupted, "-"
    broken_off = sum(call.was_broken_off for call in calls)
    if ledger.has_n8n_failed:
        yield "failed, and said so: n8n was gone before it answered", broken_off, "-"
    refused = sum(call.label in ledger.book.refused_at and bool(call.failure) for call in calls)
    yield "failed, and said so: an operator refused it", refused, "-"
    approved = [call for call in calls if call.label in ledger.book.approved_at]
    yield "approved by an operator", len(approved), "-"
    yield "**run before that**", f"**{len(ledger.ungated)}**", "-"
    honest = sum(bool(c.failure) and ledger.is_honest(c) for c in calls)
    gave_up = honest - interrupted - broken_off - refused
    yield "failed, and said so: n8n could not call back", gave_up, "-"
    yield "answered wrongly", len(ledger.wrong), "-"
    on_record = ", ".join(f"{count} {status}" for status, count in sorted(kept.calls.items()))
    yield "on the bridge's own record", on_record, f"{sum(kept.events.values())} open"
    yield (
        "longest from accepted to settled, beyond its time in n8n",
        f"{ledger.longest_call_s:.1f} s",
        f"{ledger.longest_event_s:.1f} s",
    )


def write(lines: list[str], name: str = LEDGER) -> None:
    """Put a ledger into the page, in place of the one before of its name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of the {name} -->"
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text("\n".join([before + begin, "", *lines, "", end + after]))
