"""The table of what a unit of work may cost at most, and what a count says against it."""

import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench.counting import Counts

FILE = Path(__file__).parent / "limits.toml"
HEAD = """\
# What one unit of work may cost at most. `make bench-check` counts it, and fails where a number has
# grown. Numbers may only be lowered: `make bench-check ARGS=--lower` writes what has fallen.
"""
ROOM = {
    "redis_commands": 0.04,
    "round_trips": 0.12,
    "log_bytes": 0.02,
    "flushes": 0.2,
    "function_calls": 0.08,
    "blocks_left": 0.5,
    "kept_bytes": 0.05,
    "modules": 0.03,
}
"""What a measure may differ by from one run, machine or Python to the next, as a share."""

CHANCE = {"call": 0.1, "reply": 0.1, "call_among_50": 0.3}
"""The room of units that go through a worker, whose books are written when there is time."""

CROWDED = ("call_among_50", "hook_among_50")
CROWDED_ROOM = {"round_trips": 1.5, "flushes": 1.5}
"""How many go together depends on who meets whom."""

Limits = Mapping[str, Mapping[str, float]]
"""The most, by unit and measure."""


def read_limits() -> Limits:
    """Read the table."""
    limits: Limits = tomllib.loads(FILE.read_text())
    return limits


def excesses(counts: Mapping[str, Counts], limits: Limits) -> Iterator[str]:
    """Say of each number above its limit, or without one, from what to what it has grown."""
    for unit, measures in counts.items():
        for measure, count in measures.items():
            most = limits.get(unit, {}).get(measure)
            if most is None:
                yield f"{unit}: {measure} has no limit; it is {count:g}"
            elif count > most:
                yield f"{unit}: {measure} grew from {most} to {count:g}"


def lowered(counts: Mapping[str, Counts], limits: Limits) -> Limits:
    """Return the table with what has fallen, and with what was not in it."""
    table = {unit: dict(measures) for unit, measures in limits.items()}
    for unit, measures in counts.items():
        for measure, count in measures.items():
            found = _with_room(unit, measure, count)
            row = table.setdefault(unit, {})
            row[measure] = min(row.get(measure, found), found)
    return table


def _with_room(unit: str, measure: str, count: float) -> float:
    room = max(ROOM[measure], CHANCE.get(unit, 0))
    if unit in CROWDED:
        room = CROWDED_ROOM.get(measure, room)
        return math.ceil(count * (1 + room) * 10) / 10
    return math.floor(count * (1 + room))


def write_limits(limits: Limits) -> None:
    """Write the table."""
    lines = [HEAD]
    for unit, measures in sorted(limits.items()):
        lines += [f"[{unit}]", *(f"{name} = {most}" for name, most in measures.items()), ""]
    FILE.write_text("\n".join(lines))
