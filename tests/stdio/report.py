"""The ledger of stdio as people read it."""

from collections.abc import Iterator
from datetime import UTC, datetime

from tests.bench.machine import machine
from tests.stdio.book import Book

NAME = "stdio ledger"


def ledger_lines(book: Book, seed: str, took_s: float) -> Iterator[str]:
    """Write the ledger."""
    yield (
        f"`STDIO_SEED={seed} STDIO_CALLS={len(book.asks)} make stdio`, {datetime.now(UTC).date()}, "
        f"in {took_s / 60:.0f} minutes, {machine()}."
    )
    yield from ("", "| | all calls | those that n8n ran |", "|---|---:|---:|")
    yield from (f"| {name} | {every} | {ours} |" for name, every, ours in _rows(book))
    ends = ", ".join(f"{how} {count}" for how, count in sorted(book.ends.items()))
    yield from ("", f"The program was started {book.starts} times. Ends: {ends}.")
    yield from (
        "",
        f"Frames read: {book.frames}, {book.read_bytes / 1e6:.0f} MB; clients that left in the "
        f"middle of one: {book.cut_frames}. **Torn: {len(book.torn)}.** Ends that were late or not "
        f"with status 0: {len(book.bad_ends)}.",
    )


def _rows(book: Book) -> Iterator[tuple[str, object, object]]:
    every, ours = book.asks, book.calls
    yield "asked", len(every), len(ours)
    yield (
        "answered",
        sum(ask.is_settled for ask in every),
        sum(ask.is_settled for ask in ours),
    )
    yield (
        "asked more than once, for their client was gone before the answer",
        sum(ask.asked > 1 for ask in every),
        sum(ask.asked > 1 for ask in ours),
    )
    labels = {ask.label for ask in ours}
    lost = book.lost
    yield "**lost**", f"**{len(lost)}**", f"**{sum(label in ''.join(lost) for label in labels)}**"
    yield "**run twice**", "-", f"**{len(book.twice)}**"
    yield "answered wrongly", len(book.wrong), sum(bool(ask.wrong) for ask in ours)
