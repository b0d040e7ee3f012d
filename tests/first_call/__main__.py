"""`python -m tests.first_call [--write]`: times each kind from `new` to its first call."""

import asyncio
import os
import re
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import click

from bridge.authoring.scaffold.project import KINDS, Kind
from tests.bench.machine import machine
from tests.first_call.calls import FIRST_CALLS
from tests.first_call.project import new_project
from tests.n8n.real import API_KEY, URL, RealN8n, open_n8n

ROUNDS = 3
PAGE = Path(__file__).parents[2] / "docs" / "recordings.md"
BEGIN, END = "<!-- first call -->\n", "<!-- end of the first call -->\n"
GOALS_S = {"without n8n": 20, "with a real n8n": 60}
WORDS: Mapping[Kind, str] = {
    "inbox": "n8n hands a message over, Claude takes it",
    "tool": "Claude runs the workflow",
    "approval": "n8n asks and waits, Claude answers, n8n goes on with it",
    "document": "100 kB come in pages; a workflow of some seconds reports, and has its result",
    "python": "Claude runs the function",
}


@click.command()
@click.option("--write", is_flag=True, help="Put the table into docs/recordings.md.")
def main(*, write: bool) -> None:
    """Time each kind in turns, without n8n and with the one that BRIDGE_TEST_N8N_URL names."""
    if write and not (URL and API_KEY):
        raise click.UsageError("--write wants BRIDGE_TEST_N8N_URL and BRIDGE_TEST_N8N_API_KEY")
    load = os.getloadavg()[0]
    page = table(asyncio.run(measured()), load)
    click.echo(page)
    if write:
        around = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
        PAGE.write_text(around.sub(lambda _: f"{BEGIN}\n{page}\n{END}", PAGE.read_text()))


async def measured() -> dict[str, dict[Kind, list[float]]]:
    """Return the seconds of each round, by kind, without and with a real n8n."""
    took: dict[str, dict[Kind, list[float]]] = {
        beside: {kind: [] for kind in KINDS} for beside in GOALS_S
    }
    without, beside_n8n = took.values()
    for _ in range(ROUNDS):
        for kind in KINDS:
            without[kind].append(await first_call_s(kind))
            if URL and API_KEY:
                async with open_n8n() as n8n:
                    beside_n8n[kind].append(await first_call_s(kind, n8n))
    return took


async def first_call_s(kind: Kind, n8n: RealN8n | None = None) -> float:
    """Go from an empty folder to the first call, and return the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        started_at = time.monotonic()
        project = await new_project(kind, Path(folder), n8n)
        async with project.up() as claude:
            await FIRST_CALLS[kind](project, claude)
            return time.monotonic() - started_at


def table(took: Mapping[str, Mapping[Kind, list[float]]], load: float) -> str:
    """Write what was measured, least / median / greatest, as the page has it."""
    goals = [f"{beside}, s (goal ≤ {goal_s})" for beside, goal_s in GOALS_S.items()]
    lines = [f"| `--kind` | the first call | {' | '.join(goals)} |", "|---|---|---:|---:|"]
    for kind in KINDS:
        cells = [spread(of_kinds[kind]) for of_kinds in took.values()]
        lines.append(f"| `{kind}` | {WORDS[kind]} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{ROUNDS} rounds, {machine()}; load {load:.1f} at the start."])


def spread(seconds: list[float]) -> str:
    """Write the least, the median and the greatest of some times."""
    if not seconds:
        return "not asked"
    times = (min(seconds), statistics.median(seconds), max(seconds))
    return " / ".join(f"{each:.1f}" for each in times)


if __name__ == "__main__":
    main()
