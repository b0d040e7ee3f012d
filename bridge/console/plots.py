"""Charts as shapes within a box of 600 by 120, for templates to draw; the browser computes nothing.

A chart shows one or two series over the same slots, the second above the first as bars, beside it
as lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.models import instant

WIDTH, HEIGHT = 600.0, 120.0
GAP = 0.15


@dataclass(frozen=True)
class Bar:
    """A bar of a series; `said` tells its slot and number."""

    series: str
    x: float
    y: float
    width: float
    height: float
    said: str


@dataclass(frozen=True)
class PlotLine:
    """The points of a series, as SVG writes them, a piece for each stretch that is known."""

    series: str
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """A chart: its title with what one slot is, the top of its scale, and its shapes."""

    title: str
    top: str
    total: str
    series: tuple[str, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[PlotLine, ...] = ()


@dataclass(frozen=True)
class Slots:
    """The stretches of time that a chart has."""

    began_at_s: int
    slot_s: int

    def said(self, index: int) -> str:
        """Return when a slot began, in UTC."""
        return instant((self.began_at_s + index * self.slot_s) * 1000)[11:16]


def bars(title: str, slots: Slots, series: Mapping[str, Sequence[float]]) -> Plot:
    """Return a chart of counts, each series stacked on those before it, with their sums."""
    total = " + ".join(f"{sum(counts):,.0f} {name}" for name, counts in series.items())
    return replace(levels(title, slots, series), total=total)


def levels(title: str, slots: Slots, series: Mapping[str, Sequence[float]]) -> Plot:
    """Return a chart of how many there were, which have no sum."""
    heights = [sum(at) for at in zip(*series.values(), strict=True)]
    scale = HEIGHT / (max(heights, default=0) or 1)
    width = WIDTH / len(heights)
    below, shapes = [0.0] * len(heights), []
    for name, counts in series.items():
        for index, count in enumerate(counts):
            below[index] += count
            if count:
                at, y = _round(index * width), _round(HEIGHT - below[index] * scale)
                said = f"{slots.said(index)}: {count:.0f} {name}"
                size = _round(width * (1 - GAP)), _round(count * scale)
                shapes.append(Bar(name, at, y, *size, said))
    return Plot(title, f"{max(heights, default=0):,.0f}", "", tuple(series), bars=tuple(shapes))


def lines(title: str, series: Mapping[str, Sequence[float | None]], total: str) -> Plot:
    """Return a chart of seconds, with a gap where there is no number."""
    known = [value for values in series.values() for value in values if value is not None]
    top = max(known, default=0) or 1
    drawn = tuple(
        PlotLine(name, tuple(" ".join(piece) for piece in _pieces(values, top)))
        for name, values in series.items()
    )
    return Plot(title, seconds(max(known)) if known else "", total, tuple(series), lines=drawn)


def seconds(value: float) -> str:
    """Format seconds as short as they can be read."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _pieces(values: Sequence[float | None], top: float) -> list[list[str]]:
    step = WIDTH / max(len(values), 1)
    pieces: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            pieces.append([])
        else:
            x = index * step + step / 2
            pieces[-1].append(f"{_round(x)},{_round(HEIGHT - value / top * HEIGHT)}")
    return [piece * 2 if len(piece) == 1 else piece for piece in pieces if piece]


def _round(value: float) -> float:
    return round(value, 1)
