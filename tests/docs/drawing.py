"""Pictures as SVG from what they show: who says what to whom, and what stands beside what.

The colours follow those of the reader's screen, light or dark; the text is in the reader's font.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.who { font-weight: 600; }
.small { font-size: 12px; fill: #57606a; }
.box { fill: #f2f5f9; stroke: #8c959f; }
.ours { fill: #e3f1ec; stroke: #2f6f5e; }
.life { stroke: #c8ced5; }
.arrow { stroke: #2f6f5e; stroke-width: 1.5; fill: none; }
.head { fill: #2f6f5e; }
.lost { stroke: #b3261e; }
.lost-text { fill: #b3261e; }
.note { fill: #fff6d6; stroke: #d4b94e; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .small { fill: #9aa4af; }
  .box { fill: #1d232b; stroke: #6e7681; }
  .ours { fill: #17332b; stroke: #6cc0a6; }
  .life { stroke: #3d444d; }
  .arrow { stroke: #6cc0a6; }
  .head { fill: #6cc0a6; }
  .lost { stroke: #ff8a80; }
  .lost-text { fill: #ff8a80; }
  .note { fill: #3a3210; stroke: #8f7c2e; }
}
</style>"""
HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker>'
)
COLUMN, ROW, TOP, MARGIN = 176, 40, 64, 92
CHARACTER = 6.6


@dataclass(frozen=True)
class Says:
    """One thing that goes from one to another; what is lost does not arrive."""

    teller: str
    hearer: str
    text: str
    is_lost: bool = False


@dataclass(frozen=True)
class Does:
    """What one does by itself, or how it stands."""

    who: str
    text: str


def sequence(
    title: str, who: Sequence[str], ours: Sequence[str], steps: Sequence[Says | Does]
) -> str:
    """Draw who says what to whom, from top to bottom; `ours` are parts of the bridge."""
    at = {name: MARGIN + COLUMN * number for number, name in enumerate(who)}
    width, height = 2 * MARGIN + COLUMN * (len(who) - 1), TOP + ROW * (len(steps) + 1)
    lines = [
        f'<line class="life" x1="{x}" y1="44" x2="{x}" y2="{height - 12}"/>' for x in at.values()
    ]
    for name, x in at.items():
        lines += _box(x - 66, 14, 132, 32, name, is_ours=name in ours)
    for number, step in enumerate(steps):
        y = TOP + ROW * (number + 1) - 12
        lines += _said(step, at, y) if isinstance(step, Says) else _note(at[step.who], y, step.text)
    return _svg(title, width, height, lines)


def _said(step: Says, at: dict[str, int], y: int) -> Iterator[str]:
    start, end = at[step.teller], at[step.hearer]
    if step.is_lost:
        reach = (start + end) // 2
        yield f'<path class="arrow lost" d="M{start} {y}H{reach}m-6-6l12 12m0-12l-12 12"/>'
        yield _text((start + reach) / 2 + 6, y - 7, step.text, "lost-text")
        return
    reach = end - 4 if end > start else end + 4
    yield f'<path class="arrow" d="M{start} {y}H{reach}" marker-end="url(#head)"/>'
    yield _text((start + end) / 2, y - 7, step.text)


def _text(x: float, y: float, said: str, kind: str = "") -> str:
    of_kind = f'class="{kind}" ' if kind else ""
    return f'<text {of_kind}x="{x:g}" y="{y:g}" text-anchor="middle">{escape(said)}</text>'


def _note(x: int, y: int, text: str) -> Iterator[str]:
    wide = CHARACTER * len(text) + 20
    left = x - wide / 2
    yield f'<rect class="note" x="{left:g}" y="{y - 15}" width="{wide:g}" height="24" rx="4"/>'
    yield _text(x, y + 2, text)


@dataclass(frozen=True)
class Part:
    """One thing in a plan: its column and row, and what is said below its name."""

    name: str
    column: int
    row: float
    about: str = ""
    is_ours: bool = True


def plan(title: str, parts: Sequence[Part], lines_between: Sequence[tuple[str, str]]) -> str:
    """Draw what stands beside what, with a line from each part to those that it speaks to."""
    wide, high, step_x, step_y = 176, 54, 226, 74
    corner = {p.name: (24 + step_x * p.column, 24 + step_y * p.row) for p in parts}
    lines = []
    for start, end in lines_between:
        (x1, y1), (x2, y2) = corner[start], corner[end]
        forward = x2 > x1
        x1, x2 = (x1 + wide, x2 - 4) if forward else (x1, x2 + wide + 4)
        y1, y2 = y1 + high / 2, y2 + high / 2
        middle = (x1 + x2) / 2
        path = f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}"
        lines.append(f'<path class="arrow" d="{path}" marker-end="url(#head)"/>')
    for part in parts:
        x, y = corner[part.name]
        lines += _box(x, y, wide, high, part.name, part.about, is_ours=part.is_ours)
    width = max(x for x, _ in corner.values()) + wide + 24
    height = max(y for _, y in corner.values()) + high + 24
    return _svg(title, width, height, lines)


def _box(
    x: float, y: float, wide: int, high: int, name: str, about: str = "", *, is_ours: bool
) -> Iterator[str]:
    kind = "ours" if is_ours else "box"
    yield f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{wide}" height="{high}" rx="6"/>'
    middle, baseline = x + wide / 2, y + high / 2 + (-3 if about else 5)
    yield _text(middle, baseline, name, "who")
    if about:
        yield _text(middle, baseline + 18, about, "small")


def _svg(title: str, width: float, height: float, lines: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><title>{escape(title)}</title>'
    return "\n".join((head, STYLE, f"<defs>{HEAD}</defs>", *lines, "</svg>", ""))
