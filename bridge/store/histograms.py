"""Totals by classes of time: what they are named in the hash of totals, and what is read off them.

A time of class `c` has taken at most 2 ** c milliseconds. The class stands in the name of the total
that is counted anyway, so a histogram costs no command of Redis.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Name = tuple[str, ...]

BOUNDS = (*range(3, 21), 22, 24, 26, 28, 31)
"""The classes that are shown as buckets, from 8 ms to 25 days; those between are in the next."""


@dataclass
class Histogram:
    """How many there were of each class; `unclassed` were counted before there were classes."""

    classes: dict[int, float] = field(default_factory=dict)
    unclassed: float = 0

    @property
    def count(self) -> float:
        """How many there were."""
        return self.unclassed + sum(self.classes.values())

    def add(self, class_: int, count: float) -> None:
        """Count some more of a class."""
        self.classes[class_] = self.classes.get(class_, 0) + count

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound in seconds, how many took so long at most), the last for all."""
        within = [
            (str(2.0**bound / 1000), sum(n for each, n in self.classes.items() if each <= bound))
            for bound in BOUNDS
        ]
        return [*within, ("+Inf", self.count)]

    def quantile_s(self, share: float) -> float | None:
        """Return within how many seconds this share of them ended; None where there were none.

        Within a class they are taken to be spread evenly.
        """
        left = share * sum(self.classes.values())
        for class_, count in sorted(self.classes.items()):
            if count >= left > 0:
                most = 2.0**class_ / 1000
                return most / 2 + most / 2 * left / count
            left -= count
        return None


@dataclass(frozen=True)
class Counted:
    """Totals by (name, labels…), and histograms likewise.

    `queue` and `lease` are by server and hook: how old an event was when it was taken, how long
    ago it was taken when it was answered. `call` is by server and tool, from a call's start to its
    end; `attempts`, by the same and their number, counts the calls that ended.
    """

    totals: dict[Name, float]
    histograms: dict[Name, Histogram]
    attempts: dict[Name, dict[int, float]]


def counted_of(fields: Mapping[str, float]) -> Counted:
    """Read totals as they are named in Redis.

    What versions before wrote without a class is counted along.
    """
    totals: dict[Name, float] = {}
    histograms: dict[Name, Histogram] = {}
    attempts: dict[Name, dict[int, float]] = {}
    for written, count in fields.items():
        total: Name = tuple(written.split("|"))
        match total:
            case ["queue" | "lease" as name, server, hook, class_]:
                total = ("events", server, hook, "leased" if name == "queue" else "answered")
                place = (name, server, hook)
                histograms.setdefault(place, Histogram()).add(int(class_), count)
            case ["ended", server, tool, status, tries, class_]:
                total = ("calls", server, tool, status)
                histograms.setdefault(("call", server, tool), Histogram()).add(int(class_), count)
                by_tries = attempts.setdefault((server, tool), {})
                by_tries[int(tries)] = by_tries.get(int(tries), 0) + count
            case ["calls", server, tool, _]:
                histograms.setdefault(("call", server, tool), Histogram()).unclassed += count
        totals[total] = totals.get(total, 0) + count
    return Counted(totals, histograms, attempts)
