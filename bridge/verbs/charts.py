"""Charts: what the last hour and the last day brought, slot by slot."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bridge.store.histograms import Counted, Histogram, counted_of
from bridge.store.minutes import MinuteStore

T = TypeVar("T")

HOUR = (60, 1)
DAY = (96, 15)
"""How many slots a chart has, and how many minutes each."""

BACKLOG = "backlog"
"""The name of how many events were queued, which is a level and no rise."""


@dataclass(frozen=True)
class Chart:
    """What each slot of time brought, oldest first; the last ended with the last whole minute.

    Names and labels are those of the totals: `("events", server, hook, status)`, `("replies",
    server, hook, status)`, `("calls", server, tool, status)`; histograms are `("queue", server,
    hook)`, `("lease", server, hook)` and `("call", server, tool)`. None as a label is any.
    """

    began_at_s: int
    slot_s: int
    slots: tuple[Counted, ...]

    def counts(self, name: str, *labels: str | None) -> list[float]:
        """Return how many of a total each slot brought."""
        return [sum(_matching(slot.totals, (name, *labels))) for slot in self.slots]

    def backlog(self, server: str | None = None, hook: str | None = None) -> list[float]:
        """Return how many events were queued at the end of each slot."""
        return self.counts(BACKLOG, server, hook)

    def quantiles_s(self, share: float, name: str, *labels: str | None) -> list[float | None]:
        """Return of each slot within how many seconds a share ended, None where nothing did."""
        return [_quantile_s(share, slot, (name, *labels)) for slot in self.slots]


async def read_chart(minutes: MinuteStore, size: tuple[int, int]) -> Chart:
    """Read the chart of the last `HOUR` or `DAY`."""
    count, many = size
    first = await minutes.now() - count * many
    slots: list[dict[str, float]] = [{} for _ in range(count)]
    for row in await minutes.read(first, count * many):
        _add(slots[(row.minute - first) // many], row.rises)
    return Chart(first * 60, many * 60, tuple(counted_of(slot) for slot in slots))


async def read_window(minutes: MinuteStore, count: int) -> Counted:
    """Read what the last minutes brought, the one that is not over among them."""
    now = await minutes.now()
    window: dict[str, float] = {}
    for row in await minutes.read(now - count + 1, count):
        _add(window, row.rises)
    _add(window, await minutes.running())
    return counted_of(window)


def _add(slot: dict[str, float], rises: Mapping[str, float]) -> None:
    """Add what a minute brought to what came before it; of a level the last counts."""
    levels = {name: 0.0 for name in slot if name.startswith(BACKLOG)}
    slot |= levels
    for name, rise in rises.items():
        slot[name] = slot.get(name, 0) + rise


def _matching(found: Mapping[tuple[str, ...], T], wanted: tuple[str | None, ...]) -> Iterator[T]:
    for name, value in found.items():
        if len(name) == len(wanted) and all(
            want in (None, label) for want, label in zip(wanted, name, strict=True)
        ):
            yield value


def _quantile_s(share: float, slot: Counted, wanted: tuple[str | None, ...]) -> float | None:
    together = Histogram()
    for each in _matching(slot.histograms, wanted):
        for class_, count in each.classes.items():
            together.add(class_, count)
    return together.quantile_s(share)
