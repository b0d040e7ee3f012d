"""What operators are shown: tables for people, lines of JSON for programs, and what is new."""

from collections.abc import Mapping, Sequence

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.formats.json_text import spell
from bridge.models import Approval, Call, Event, Reply, Timeline, instant
from bridge.n8n.reply_address import link_to

WIDE = 200
Row = Mapping[str, object]


def event_row(event: Event) -> dict[str, object]:
    """Return an event without its payload."""
    return {
        "event_id": event.event_id,
        "server": event.server,
        "hook": event.hook,
        "status": event.status,
        "paused_since": _moment(event.paused_at_ms),
        "attempt": event.attempt,
        "received_at": instant(event.received_at_ms),
        "merged": event.merged,
        "reason": event.reason,
        "reply": reply_row(event.reply),
    }


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else instant(at_ms, "seconds")


def reply_row(reply: Reply) -> dict[str, object]:
    """Return a reply without its value."""
    return {
        "status": reply.status,
        "attempts": reply.attempts,
        "last_failure": reply.last_failure,
    }


def listed_reply_row(event: Event) -> dict[str, object]:
    """Return the reply of an event with the place that it belongs to."""
    place = {"event_id": event.event_id, "server": event.server, "hook": event.hook}
    return place | reply_row(event.reply)


def call_row(call: Call) -> dict[str, object]:
    """Return a call without its arguments and its result."""
    return {
        "call_id": call.call_id,
        "server": call.principal.server,
        "principal": call.principal.name,
        "workflow": call.workflow,
        "status": call.status,
        "paused_since": _moment(call.paused_at_ms),
        "attempt": call.attempt,
        "created_at": instant(call.created_at_ms),
        "duration_ms": call.age_ms,
        "progress": call.progress,
        "message": call.message,
        "failure": call.failure,
    }


def approval_rows(approval: Approval | None) -> dict[str, object]:
    """Report how the approval of a call stands, where somebody must agree to it."""
    if approval is None:
        return {}
    return {
        "approval": approval.status,
        "approval_asks": approval.asks,
        "approval_expires_at": instant(approval.ends_at_ms),
        "approval_digest": approval.digest,
        "approval_by": approval.by or None,
        "approval_at": _moment(approval.decided_at_ms),
        "approval_reason": approval.reason or None,
    }


def execution_rows(execution: str | None, n8n_url: str | None) -> dict[str, object]:
    """Report which execution of n8n's is behind a record, and where to look at it."""
    return {
        "execution": execution or None,
        "execution_url": link_to(execution or "", n8n_url),
    }


def timeline_rows(timeline: Timeline) -> dict[str, object]:
    """Report what happened to a record, oldest first."""
    return {
        "timeline": [
            {"at": instant(moment.at_ms), "what": moment.what, **moment.said}
            for moment in timeline.moments
        ],
        "left_out": timeline.left_out,
    }


def print_json(row: Row, *, err: bool = False) -> None:
    """Print a record as one line of JSON."""
    click.echo(spell(row), err=err)


def print_rows(rows: Sequence[Row], columns: str, *, as_json: bool, has_head: bool = True) -> None:
    """Print records: these columns of each, or all of it as JSON."""
    if as_json:
        click.echo("\n".join(map(spell, rows)), nl=bool(rows))
        return
    names = columns.split()
    cells = [[_plain(_member(row, name)) for name in names] for row in rows]
    if has_head:
        cells.insert(0, names)
    widths = _fitted([max(map(_width, column)) for column in zip(*cells, strict=True)])
    lines = ["  ".join(map(_filled, line, widths)).rstrip() for line in cells]
    if has_head:
        lines[0] = click.style(lines[0], bold=True)
    click.echo("\n".join(lines), nl=bool(lines))


def _fitted(widths: list[int]) -> list[int]:
    """Shorten the widest columns until a line of them fits on the terminal.

    The first one is what people copy: half an id is none.
    """
    name, *others = widths
    spare = _console().width - sum(widths) - 2 * len(others)
    while spare < 0 and max(others, default=0) > 1:
        others[others.index(max(others))] -= 1
        spare += 1
    return [name, *others]


def _filled(cell: str, width: int) -> str:
    """Return a cell at the width of its column, cut where it is longer."""
    spare = width - _width(cell)
    return cell + " " * spare if spare >= 0 else set_cell_size(cell, width - 1) + "…"


def _width(cell: str) -> int:
    return len(cell) if cell.isascii() else cell_len(cell)


def print_record(row: Row, *, as_json: bool) -> None:
    """Print one record whole: a line a member, then its timeline, a line a moment."""
    if as_json:
        print_json(row)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in row.items():
        if name != "timeline" and value not in (None, "", 0, []):
            table.add_row(Text(name, style="bold"), _cell(value))
    console = _console()
    console.print(table)
    timeline = row.get("timeline")
    for moment in timeline if isinstance(timeline, list) else ():
        told = {name: value for name, value in moment.items() if name not in ("at", "what")}
        said = "  ".join(f"{name}: {_plain(value)}" for name, value in told.items())
        console.print(Text(f"{moment['at']}  {moment['what']:<16}{said}"), soft_wrap=True)


def _member(row: Row, name: str) -> object:
    value: object = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _cell(value: object) -> Text:
    return Text(_plain(value))


def _plain(value: object) -> str:
    """Format a value; what would steer the terminal is shown and not obeyed."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else spell(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)
