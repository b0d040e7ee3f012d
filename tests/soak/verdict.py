"""Whether a number stands still: its slope over the last half, by medians."""

import itertools
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tests.soak.samples import DESCRIPTORS, Name

ALLOWED = 0.05
"""By how much of itself a number may rise over the last half."""

RATE = 0.95
"""The share of what was to be sent that must have been: less load shows less."""


PARTS = 20
"""So many parts of the time have a least number of descriptors each."""


def standing(what: str, values: Sequence[float]) -> Sequence[float]:
    """Return what of a number's samples a leak would raise.

    Connections come and go with how busy the machine is, so of descriptors the least of each part
    of the time counts: what stays open for good is in that too.
    """
    if what != DESCRIPTORS:
        return values
    size = max(1, len(values) // PARTS)
    return [min(values[at : at + size]) for at in range(0, len(values) - size + 1, size)]


def growth(values: Sequence[float]) -> float:
    """Return by which share of itself a number rose over the last half of its samples.

    The slope is the median of those between any two samples (Theil and Sen), so that no single
    sample makes it, nor any short rise and fall.

    Raises:
        ValueError: there are too few samples.
    """
    half = values[len(values) // 2 :]
    if len(half) < 2:
        raise ValueError(f"{len(values)} samples tell nothing of growth")
    pairs = itertools.combinations(enumerate(half), 2)
    slopes = [(later - sooner) / (j - i) for (i, sooner), (j, later) in pairs]
    return statistics.median(slopes) * (len(half) - 1) / (statistics.median(half) or 1)


def grown(samples: Mapping[Name, Sequence[float]]) -> Iterator[str]:
    """Name each number that did not stand still, with its process."""
    for (process, what), values in samples.items():
        kept = standing(what, values)
        if (share := growth(kept)) > ALLOWED:
            half = kept[len(kept) // 2 :]
            yield (
                f"{process}: {what} rose by {share:.1%} in the last half, "
                f"from {half[0]:,.1f} to {half[-1]:,.1f}; {ALLOWED:.0%} is allowed"
            )


def more(before: Counter[str], after: Counter[str]) -> Iterator[str]:
    """Name the families of keys that rose from the middle to the end, the most first."""
    risen = {name: count - before[name] for name, count in after.items()}
    for name, by in sorted(risen.items(), key=lambda item: -item[1]):
        if by > ALLOWED * before[name]:
            yield f"keys of {name}: {before[name]:,} in the middle, {after[name]:,} at the end"


def too_slow(done: int, wanted: float, what: str) -> Iterator[str]:
    """Report that the machine did not keep the pace."""
    if done < RATE * wanted:
        yield f"{done:,} {what} instead of {wanted:,.0f}: the machine did not keep the pace"
