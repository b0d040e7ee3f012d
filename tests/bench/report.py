"""The rows as a page that people read."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tests.bench.figures import Figure, Row, number, spread
from tests.bench.machine import machine, packages

HEAD = """\
# Performance

Written by `make bench`; measured on {day} with `{command}`.

Machine: {machine}.

Packages: {packages}.

Each row was measured {rounds} times in turns with its limit or peer, in one run: bridge, peer,
bridge, peer. Processes, Valkey and the load itself share the machine's cores, so the ratio tells
more than either number. Cells read least / median / greatest; the ratio is the bridge's median to
the other's, and the arrow says whether more (↑) or less (↓) is better.
"""


def page(rows: Sequence[Row], command: str, rounds: int) -> str:
    """Write the whole page."""
    head = HEAD.format(
        day=datetime.now(UTC).date(),
        command=command,
        machine=machine(),
        packages=packages(),
        rounds=rounds,
    )
    return "\n".join([head, *(line for row in rows for line in section(row))])


def section(row: Row) -> Iterator[str]:
    """Write the lines of one row."""
    yield from (f"## {row.title}", "", row.about, "")
    yield "| | bridge | beside it | | ratio |"
    yield "|---|---:|---|---:|---:|"
    yield from (_line(figure) for figure in row.figures)
    yield ""
    for note in row.notes:
        yield from (note, "")


def _line(figure: Figure) -> str:
    arrow = "↑" if figure.more_is_better else "↓"
    return (
        f"| {figure.name} {arrow} | {spread(figure.ours)} | {figure.against} "
        f"| {spread(figure.theirs)} | {number(figure.ratio)} |"
    )
