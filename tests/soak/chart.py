"""The samples as a picture: a panel for each number, a line for each process."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from tests.soak.samples import DESCRIPTORS, KEYS, MEMORY, USED, Samples

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "soak.svg"
PANELS = (MEMORY, DESCRIPTORS, USED, KEYS)
WIDTH, PANEL, PLOT, LEFT, RIGHT = 760, 200, 150, 64, 600
COLOURS = ("#2f6f5e", "#b3261e", "#3b6fb6", "#b07c1f", "#7a4fa3", "#5b8f2a", "#8c959f")
STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #57606a; }
.title { font-weight: 600; fill: #24292f; }
.axis { stroke: #c8ced5; }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa4af; }
  .title { fill: #e6edf3; }
  .axis { stroke: #3d444d; }
}
</style>"""


def chart(samples: Samples) -> str:
    """Draw all samples, from zero, over the minutes of the run; the middle is marked."""
    height = PANEL * len(PANELS)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
    title = "What the processes held over the time of the soak"
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}><title>{title}</title>', STYLE]
    for number, what in enumerate(PANELS):
        series = {
            process: values for (process, named), values in samples.of.items() if named == what
        }
        lines += _panel(what, series, number * PANEL + 30, samples.every_s)
    return "\n".join([*lines, "</svg>", ""])


def _panel(what: str, series: dict[str, list[float]], top: int, every_s: float) -> Iterator[str]:
    most = max((max(values) for values in series.values()), default=0) * 1.1 or 1
    minutes = max((len(values) for values in series.values()), default=0) * every_s / 60
    middle = (LEFT + RIGHT) // 2
    yield f'<text class="title" x="{LEFT}" y="{top - 10}">{escape(what)}</text>'
    yield f'<path class="axis" fill="none" d="M{LEFT} {top}V{top + PLOT}H{RIGHT}"/>'
    yield f'<path class="axis" stroke-dasharray="3 3" d="M{middle} {top}V{top + PLOT}"/>'
    yield f'<text x="{LEFT - 6}" y="{top + 8}" text-anchor="end">{most:,.0f}</text>'
    yield f'<text x="{LEFT - 6}" y="{top + PLOT}" text-anchor="end">0</text>'
    yield f'<text x="{RIGHT}" y="{top + PLOT + 14}" text-anchor="end">{minutes:.0f} minutes</text>'
    for number, (process, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = _points(values, most, top)
        yield f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>'
        y = top + 12 + 18 * number
        yield f'<path stroke="{colour}" stroke-width="3" d="M{RIGHT + 14} {y - 4}h14"/>'
        yield f'<text x="{RIGHT + 34}" y="{y}">{escape(process)}</text>'


def _points(values: Sequence[float], most: float, top: int) -> str:
    step = (RIGHT - LEFT) / max(1, len(values) - 1)
    return " ".join(
        f"{LEFT + step * number:.1f},{top + PLOT * (1 - value / most):.1f}"
        for number, value in enumerate(values)
    )
