"""What was measured, kept as JSON beside the page that is written from it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tests.bench.figures import Figure, Goal, Row
from tests.bench.machine import commit, flush_ms, machine, packages
from tests.bench.program import ROOT

FILE = ROOT / "docs" / "performance.json"


@dataclass(frozen=True)
class Result:
    """A row, and when, where and how it was measured."""

    row: Row
    measured_on: str
    commit: str
    command: str
    rounds: int
    machine: str
    packages: str
    flush_ms: float


def result(row: Row, command: str, rounds: int) -> Result:
    """Say when, where and how a row was just measured."""
    day = str(datetime.now(UTC).date())
    return Result(row, day, commit(), command, rounds, machine(), packages(), flush_ms())


def read_results() -> Mapping[str, Result]:
    """Read all rows that were measured, by their names."""
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return {
        name: Result(**{**fields, "row": _row(fields["row"])}) for name, fields in found.items()
    }


def merge_results(measured: Mapping[str, Result]) -> None:
    """Put rows in the place of those of their names."""
    results = {**read_results(), **measured}
    text = json.dumps({name: asdict(each) for name, each in results.items()}, indent=1)
    FILE.write_text(text + "\n")


def _row(fields: Mapping[str, Any]) -> Row:
    return Row(**{**fields, "figures": [_figure(each) for each in fields["figures"]]})


def _figure(fields: Mapping[str, Any]) -> Figure:
    goal = fields["goal"]
    return Figure(**{**fields, "goal": Goal(**goal) if goal else None})
