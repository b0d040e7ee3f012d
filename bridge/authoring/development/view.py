"""The live view of `dev`: what it shows, and how keys that only move about change that.

Pure: a view is a value, and rendering it asks nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from rich.cells import chop_cells
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bridge.authoring.development.activity import Activity
from bridge.log import printable

HELP = "↑↓ choose   Enter details   r again   e edit   c console   n newest   q quit"
HELP_DETAILS = "↑↓ scroll   Enter back   r again   e edit   c console   q quit"
SAID = 3
"""So many of the last messages are shown."""
LEAST = 4
"""How many lines records have, however much there is to read above them, if there are as many."""
COLORS = {
    "queued": "yellow",
    "leased": "cyan",
    "running": "cyan",
    "answered": "green",
    "succeeded": "green",
    "dead": "red",
    "failed": "red",
    "expired": "red",
    "cancelled": "magenta",
}
COLUMNS = ("", "at", "what", "where", "id", "status", "by", "times", "why")
CUT = frozenset({"where", "by", "times", "why"})
SHOWN_FROM = {"id": 130, "what": 50, "by": 70, "times": 60, "why": 60}
"""How wide a terminal must be for these to have room beside the rest."""
MOVES = {"up": -1, "down": 1, "page up": -10, "page down": 10}


@dataclass(frozen=True)
class View:
    """What is shown: records newest first, of which the newest is chosen unless one is by id.

    With `details` these are shown of the chosen one, broken into rows of a `width`, from the row
    `scrolled` to.
    """

    head: tuple[str, ...]
    faults: tuple[str, ...] = ()
    activities: tuple[Activity, ...] = ()
    said: tuple[str, ...] = ()
    chosen_id: str = ""
    details: tuple[str, ...] | None = None
    scrolled: int = 0
    width: int = 80

    @property
    def at(self) -> int:
        """Return where the chosen record stands, 0 for the newest."""
        ids = [each.record_id for each in self.activities]
        return ids.index(self.chosen_id) if self.chosen_id in ids else 0

    @property
    def chosen(self) -> Activity | None:
        """Return the record that keys act on; None when it is not among those kept any more."""
        found = self.activities[self.at] if self.activities else None
        return found if found and self.chosen_id in ("", found.record_id) else None

    @property
    def rows(self) -> tuple[str, ...]:
        """Return the details, none of them wider than the terminal."""
        return _broken(self.details or (), self.width)

    def saying(self, text: str) -> "View":
        """Return the view with one more message."""
        return replace(self, said=(*self.said, text)[-SAID:])

    def moved(self, key: str) -> "View":
        """Return the view after a key that moves about in it; as it is after any other."""
        if key == "newest":
            return replace(self, chosen_id="", details=None, scrolled=0)
        if key not in MOVES or not self.activities:
            return self
        if self.details is not None:
            last = max(len(self.rows) - 1, 0)
            return replace(self, scrolled=min(max(self.scrolled + MOVES[key], 0), last))
        to = min(max(self.at + MOVES[key], 0), len(self.activities) - 1)
        return replace(self, chosen_id=self.activities[to].record_id)


def render(view: View, console: Console) -> RenderableType:
    """Lay a view out on a terminal, none of it longer than that."""
    width, height = console.size
    keys = HELP if view.details is None else HELP_DETAILS
    head = list(_lines(view.head, "bold", console))
    wrong = list(_lines([f"✗ {fault}" for fault in view.faults], "bold red", console))
    below = [*_lines(view.said, "yellow", console), *_lines([keys], "dim", console)]
    below = below[-max(height // 2, 1) :]
    most = max(height - len(below) - LEAST, 0)
    # What is wrong is shown before what is ever the same.
    above = _cut([*head[: max(most - len(wrong) - 1, 1)], *wrong, Text("")], most)
    room = max(height - len(below) - len(above), 1)
    if view.details is None:
        return Group(*above, _table(view, room, width), *below)
    # A terminal that has become wider has fewer rows of them.
    first = min(view.scrolled, max(len(view.rows) - 1, 0))
    shown = view.rows[first : first + room]
    return Group(*above, *(Text(row, no_wrap=True) for row in shown), *below)


def _lines(texts: Iterable[str], style: str, console: Console) -> Iterator[Text]:
    """Break texts into lines of a terminal."""
    for text in texts:
        yield from Text(printable(text), style).wrap(console, console.width)


def _cut(lines: list[Text], most: int) -> list[Text]:
    """Return at most so many lines; where some are left out, the last says so."""
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], Text("…")] if most else []


@lru_cache(maxsize=1)
def _broken(lines: tuple[str, ...], width: int) -> tuple[str, ...]:
    return tuple(row for line in lines for row in chop_cells(printable(line), width) or [""])


def _table(view: View, room: int, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    first = max(view.at - room + 2, 0)
    shown = view.activities[first : first + max(room - 1, 1)]
    rows = [dict(_cells(each, is_chosen=each is view.chosen)) for each in shown]
    has_whys = any(row["why"] for row in rows)
    for name in COLUMNS:
        has_any = name != "why" or has_whys
        if has_any and width >= SHOWN_FROM.get(name, 0):
            # rich takes room from columns that may wrap: their cells are cut instead.
            table.add_column(name, no_wrap=name not in CUT)
    for row in rows:
        table.add_row(*(row[str(column.header)] for column in table.columns))
    if not rows:
        table.add_row("", "", "", Text("nothing yet", style="dim"))
    return table


def _cells(activity: Activity, *, is_chosen: bool) -> Iterator[tuple[str, Text]]:
    at = datetime.fromtimestamp(activity.stages[0].at_ms / 1000).astimezone()
    attempt = f", attempt {activity.attempt}" if activity.attempt > 1 else ""
    style = "bold" if is_chosen else ""
    yield "", Text("▶" if is_chosen else " ", style="bold")
    yield "at", Text(f"{at:%H:%M:%S}", style=style)
    yield "what", Text("call" if activity.is_call else "event", style=style)
    yield "where", Text(printable(activity.place), style, no_wrap=True, overflow="ellipsis")
    yield "id", Text(activity.record_id, style="dim")
    yield "status", Text(f"{activity.state}{attempt}", style=COLORS.get(activity.status, ""))
    yield "by", Text(printable(activity.who), style, no_wrap=True, overflow="ellipsis")
    yield "times", Text(activity.times, style=style, no_wrap=True, overflow="ellipsis")
    yield "why", Text(printable(activity.reason), style="red", no_wrap=True, overflow="ellipsis")
