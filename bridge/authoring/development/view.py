"""The live view of `dev`: what it shows, and how keys that only move about change that.

Pure: a view is a value, and rendering it asks nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bridge.authoring.development.activity import Activity
from bridge.log import printable

HELP = (
    "↑↓ choose   Enter details   r send or run again   e edit, then send or run   n newest   q quit"
)
HELP_DETAILS = "↑↓ scroll   Enter back   r send or run again   e edit, then send or run   q quit"
SAID = 3
"""So many of the last messages are shown."""
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
CUT = frozenset({"times", "why"})
IDS_FROM = 130
"""How wide a terminal must be for ids to have room beside the rest."""
MOVES = {"up": -1, "down": 1, "page up": -10, "page down": 10}


@dataclass(frozen=True)
class View:
    """What is shown: records newest first, of which the newest is chosen unless one is by id.

    With `details` these are shown of the chosen one, from the line `scrolled` to.
    """

    head: tuple[str, ...]
    faults: tuple[str, ...] = ()
    activities: tuple[Activity, ...] = ()
    said: tuple[str, ...] = ()
    chosen_id: str = ""
    details: tuple[str, ...] | None = None
    scrolled: int = 0

    @property
    def at(self) -> int:
        """Return where the chosen record stands, 0 for the newest."""
        ids = [each.record_id for each in self.activities]
        return ids.index(self.chosen_id) if self.chosen_id in ids else 0

    @property
    def chosen(self) -> Activity | None:
        """Return the record that keys act on."""
        return self.activities[self.at] if self.activities else None

    def saying(self, text: str) -> "View":
        """Return the view with one more message."""
        return replace(self, said=(*self.said, text)[-SAID:])

    def moved(self, key: str) -> "View":
        """Return the view after a key that moves about in it; as it is after any other."""
        if key == "newest":
            return replace(self, chosen_id="", details=None)
        if key not in MOVES or not self.activities:
            return self
        if self.details is not None:
            last = max(len(self.details) - 1, 0)
            return replace(self, scrolled=min(max(self.scrolled + MOVES[key], 0), last))
        to = min(max(self.at + MOVES[key], 0), len(self.activities) - 1)
        return replace(self, chosen_id=self.activities[to].record_id)


def render(view: View, width: int, height: int) -> RenderableType:
    """Lay a view out on a terminal of so many columns and lines."""
    above = [*(Text(printable(line), style="bold") for line in view.head), *_faults(view), Text("")]
    below = [*(Text(printable(line), style="yellow") for line in view.said), _help(view)]
    taken = sum(max(1, -(-line.cell_len // width)) for line in (*above, *below))
    room = max(height - taken - 1, 3)
    if view.details is None:
        shown: RenderableType = _table(view, room, has_ids=width >= IDS_FROM)
    else:
        shown = _details(view.details[view.scrolled : view.scrolled + room])
    return Group(*above, shown, *below)


def _faults(view: View) -> Iterator[Text]:
    for fault in view.faults:
        yield Text(f"✗ {printable(fault)}", style="bold red")


def _help(view: View) -> Text:
    return Text(HELP if view.details is None else HELP_DETAILS, style="dim", no_wrap=True)


def _table(view: View, room: int, *, has_ids: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    first = max(view.at - room + 2, 0)
    shown = view.activities[first : first + room - 1]
    rows = [dict(_cells(each, is_chosen=each is view.chosen)) for each in shown]
    has_whys = any(row["why"] for row in rows)
    for name in COLUMNS:
        if {"id": has_ids, "why": has_whys}.get(name, True):
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
    yield "where", Text(printable(activity.place), style=style)
    yield "id", Text(activity.record_id, style="dim")
    yield "status", Text(f"{activity.state}{attempt}", style=COLORS.get(activity.status, ""))
    yield "by", Text(printable(activity.who), style=style)
    yield "times", Text(activity.times, style=style, no_wrap=True, overflow="ellipsis")
    yield "why", Text(printable(activity.reason), style="red", no_wrap=True, overflow="ellipsis")


def _details(lines: Iterable[str]) -> Text:
    return Text("\n".join(map(printable, lines)), no_wrap=True, overflow="ellipsis")
