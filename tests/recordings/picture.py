"""A recording as an SVG that moves; where nothing may move, its last picture stands still.

All pictures stand below each other in one strip, of which one at a time is in sight. A row that
stands in several of them is drawn once. The window is dark, which looks the same on every page.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

import pyte
from pyte.screens import Char

from tests.recordings.cast import Cast

TOGETHER_S = 0.03
"""What is printed within that time is one picture."""
LAST_S = 5.0
"""How long the last picture stands before all begins again."""

COLUMN, ROW, TEXT = 8.4, 19, 14
MARGIN, BAR = 16, 34
INK, PAPER, EDGE = "#d8dee9", "#1b1f27", "#4a5263"
COLOURS = {
    "black": "#4a5263",
    "red": "#f2777a",
    "green": "#99cc99",
    "brown": "#ffcc66",
    "blue": "#7aa6da",
    "magenta": "#cc99cc",
    "cyan": "#66cccc",
    "white": "#f2f0ec",
    "default": INK,
}
FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"

Line = tuple[Char, ...]


@dataclass(frozen=True)
class Picture:
    """What a terminal shows from a time on: its lines, and where the cursor is, if it is shown."""

    at_s: float
    lines: tuple[Line, ...]
    cursor: tuple[int, int] | None

    def looks_like(self, other: "Picture") -> bool:
        """Report whether both show the same."""
        return (self.lines, self.cursor) == (other.lines, other.cursor)


def pictures(cast: Cast) -> list[Picture]:
    """Return each picture that a recording shows, in its order."""
    screen = pyte.Screen(cast.columns, cast.rows)
    stream = pyte.Stream(screen)
    shown: list[Picture] = []
    moments = cast.printed
    for number, printed in enumerate(moments, start=1):
        stream.feed(printed.text)
        following = moments[number : number + 1]
        if following and following[0].at_s - printed.at_s < TOGETHER_S:
            continue
        picture = _picture(screen, printed.at_s)
        if not shown or not picture.looks_like(shown[-1]):
            shown.append(picture)
    return shown


def _picture(screen: pyte.Screen, at_s: float) -> Picture:
    lines = tuple(
        tuple(screen.buffer[row][column] for column in range(screen.columns))
        for row in range(screen.lines)
    )
    cursor = None if screen.cursor.hidden else (screen.cursor.x, screen.cursor.y)
    return Picture(at_s, lines, cursor)


def svg(cast: Cast) -> str:
    """Return a recording as an SVG."""
    strip = pictures(cast)
    height = cast.rows * ROW
    width, whole = round(cast.columns * COLUMN), height + BAR + MARGIN
    numbers: dict[Line, int] = {}
    frames = [_frame(picture, top * height, numbers) for top, picture in enumerate(strip)]
    rows = [f'<g id="r{number}">{_row(line)}</g>' for line, number in numbers.items()]
    last = -(len(strip) - 1) * height
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 2 * MARGIN} {whole}" '
            f'width="{width + 2 * MARGIN}" font-family="{FONTS}" font-size="{TEXT}" fill="{INK}" '
            'xml:space="preserve">',
            f"<title>{escape(cast.title)}</title>",
            f"<style>{_motion(strip, height)}</style>",
            f'<rect x=".5" y=".5" width="{width + 2 * MARGIN - 1}" height="{whole - 1}" rx="8" '
            f'fill="{PAPER}" stroke="{EDGE}"/>',
            f'<text x="{MARGIN}" y="22" font-size="12" opacity=".6">{escape(cast.title)}</text>',
            f"<defs>{''.join(rows)}</defs>",
            f'<svg x="{MARGIN}" y="{BAR}" width="{width + MARGIN}" height="{height}">',
            f'<g class="strip" transform="translate(0,{last})">',
            *frames,
            "</g></svg></svg>\n",
        ]
    )


def _motion(strip: Sequence[Picture], height: int) -> str:
    begin_s = strip[0].at_s
    whole_s = strip[-1].at_s - begin_s + LAST_S
    steps = "".join(
        f"{(picture.at_s - begin_s) / whole_s:.3%}{{transform:translateY({-top * height}px)}}"
        for top, picture in enumerate(strip)
    )
    return (
        f"@keyframes on{{{steps}}}"
        "@media (prefers-reduced-motion:no-preference)"
        f"{{.strip{{animation:on {whole_s:.2f}s step-end infinite}}}}"
    )


def _frame(picture: Picture, top: int, numbers: dict[Line, int]) -> str:
    uses = [
        f'<use href="#r{numbers.setdefault(line, len(numbers))}" y="{top + row * ROW}"/>'
        for row, line in enumerate(picture.lines)
        if not all(_is_empty(char) for char in line)
    ]
    if picture.cursor:
        column, row = picture.cursor
        uses.append(
            f'<rect x="{column * COLUMN:.1f}" y="{top + row * ROW + 2}" width="{COLUMN}" '
            f'height="{ROW - 2}" opacity=".5"/>'
        )
    return "".join(uses)


def _is_empty(char: Char) -> bool:
    return not char.data.strip() and char.bg == "default" and not char.reverse


def _row(line: Line) -> str:
    column, drawn = 0, []
    for style, group in groupby(line, key=lambda char: char._replace(data="")):
        text = "".join(char.data for char in group)
        drawn.append(_run(style, text, column))
        column += len(text)
    return "".join(drawn)


def _run(style: Char, text: str, column: int) -> str:
    ink, paper = _colour(style.fg), _colour(style.bg) if style.bg != "default" else PAPER
    if style.reverse:
        ink, paper = paper, ink
    return "".join(_drawn(style, text, column, ink, paper))


def _drawn(style: Char, text: str, column: int, ink: str, paper: str) -> Iterator[str]:
    if paper != PAPER:
        yield (
            f'<rect x="{column * COLUMN:.1f}" width="{len(text) * COLUMN:.1f}" height="{ROW}" '
            f'fill="{paper}"/>'
        )
    if words := text.strip():
        left = column + len(text) - len(text.lstrip())
        looks = f' fill="{ink}"' * (ink != INK)
        looks += ' font-weight="bold"' * style.bold + ' font-style="italic"' * style.italics
        looks += ' text-decoration="underline"' * style.underscore
        yield (
            f'<text x="{left * COLUMN:.1f}" y="14" textLength="{len(words) * COLUMN:.1f}"{looks}>'
            f"{escape(words, quote=False)}</text>"
        )


def _colour(name: str) -> str:
    return COLOURS.get(name.removeprefix("bright"), f"#{name}")
