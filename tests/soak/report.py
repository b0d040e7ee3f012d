"""The soak as people read it."""

import statistics
from collections.abc import Iterator

from tests.bench.machine import machine
from tests.soak.chart import PICTURE
from tests.soak.soak import Soak
from tests.soak.verdict import growth, standing

NAME = "soak"


def report(soak: Soak) -> Iterator[str]:
    """Write what was done, and what each process held."""
    ledger, load = soak.ledger, soak.load
    yield f"`make soak SECONDS={load.seconds:g}`, {machine()}."
    yield (
        f"\n{len(ledger.calls):,} calls ({load.calls:g} a second) and {len(ledger.events):,} "
        f"events ({load.events:g} a second): {len(ledger.lost)} lost, {len(ledger.twice)} run or "
        f"delivered twice, {len(ledger.wrong)} answered wrongly. "
        f"Requests that got no answer and were made again: {sum(ledger.book.dropped.values())}."
    )
    yield f"\n![What each process held]({PICTURE.parent.name}/{PICTURE.name})"
    yield "\n| process | number | in the middle | at the end | rise in the last half |"
    yield "|---|---|---:|---:|---:|"
    for (process, what), samples in sorted(soak.samples.of.items()):
        values = standing(what, samples)
        tenth = max(1, len(values) // 10)
        middle = statistics.median(values[len(values) // 2 :][:tenth])
        end = statistics.median(values[-tenth:])
        yield f"| {process} | {what} | {middle:,.1f} | {end:,.1f} | {growth(values):+.1%} |"
