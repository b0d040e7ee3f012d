"""What a row gives: quantities of the bridge beside those of its limit or peer, from one run."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One quantity, measured once a round on either side; `against` names the other side."""

    name: str
    ours: Sequence[float]
    against: str
    theirs: Sequence[float]
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        """Divide our median by theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)


@dataclass(frozen=True)
class Row:
    """What was measured, in a sentence or two, the figures, and what a reader must know."""

    title: str
    about: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()


def spread(samples: Sequence[float]) -> str:
    """Write the least, the median and the greatest of samples."""
    return " / ".join(
        number(each) for each in (min(samples), statistics.median(samples), max(samples))
    )


def number(value: float) -> str:
    """Write about three significant digits, and never an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"
