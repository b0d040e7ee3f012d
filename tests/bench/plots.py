"""A row as bars: for each figure the bridge and what stands beside it, on one scale."""

import statistics
from collections.abc import Iterator
from html import escape

from tests.bench.figures import Figure, Row, number

WIDTH, LABEL_X, BARS_X, BAR_WIDTH = 860, 12, 330, 400
LINE, GAP, TOP = 18, 14, 16
OURS, THEIRS, TEXT = "#2f6f5e", "#b9b2a3", "#6b6b6b"


def plot(row: Row) -> str:
    """Draw the medians of a row as an SVG, in colours that are read on white and on black."""
    lines: list[str] = []
    y = TOP
    for figure in row.figures:
        lines += _bars(figure, y)
        y += LINE * (2 if figure.theirs else 1) + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
        f'font-family="sans-serif" font-size="12" fill="{TEXT}">'
    )
    return "\n".join([head, f"<title>{escape(row.title)}</title>", *lines, "</svg>", ""])


def _bars(figure: Figure, y: int) -> Iterator[str]:
    sides = [("bridge", statistics.median(figure.ours), OURS)]
    if figure.theirs:
        sides.append((figure.against, statistics.median(figure.theirs), THEIRS))
    most = max(value for _, value, _ in sides) or 1
    yield f'<text x="{LABEL_X}" y="{y + 12}">{escape(figure.name)}</text>'
    for name, value, colour in sides:
        length = max(1, round(BAR_WIDTH * value / most))
        yield f'<rect x="{BARS_X}" y="{y}" width="{length}" height="{LINE - 4}" fill="{colour}"/>'
        said = escape(f"{number(value)} {name}")
        yield f'<text x="{BARS_X + length + 6}" y="{y + 12}">{said}</text>'
        y += LINE
