"""What a row gives: quantities of the bridge beside those of its limit or peer, from one run."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """What a figure is to come to: as a ratio to the other side, or in the figure's own unit."""

    value: float
    is_ratio: bool = True


@dataclass(frozen=True)
class Figure:
    """One quantity, measured once a round on either side; `against` names the other side.

    Where nothing stands beside it, `against` is empty and there is no ratio.
    """

    name: str
    ours: Sequence[float]
    against: str = ""
    theirs: Sequence[float] = ()
    more_is_better: bool = False
    goal: Goal | None = None

    @property
    def ratio(self) -> float:
        """Divide our median by theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def is_met(self) -> bool:
        """Report whether the goal, if there is one, is reached."""
        if self.goal is None:
            return True
        value = self.ratio if self.goal.is_ratio else statistics.median(self.ours)
        return value >= self.goal.value if self.more_is_better else value <= self.goal.value


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
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.4f}"
