"""The official conformance suite: how it is run, and what it found."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.conformance.verdicts import Checks
from tests.npm import FOLDER, program

PACKAGE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
INSTALLED = FOLDER / "node_modules" / PACKAGE
LAST_WORDS = 2000

_RESULT = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


class SuiteError(Exception):
    """The suite did not run to its end."""


def scenarios(revision: str) -> list[str]:
    """Name what a revision of the specification asks of a server, scored or only looked at."""
    asked = yaml.safe_load((INSTALLED / "requirements" / f"{revision}.yaml").read_text())
    unscored = [entry["scenario"] for entry in asked["not_scored"] if entry["leg"] == "server"]
    return [*asked["server"], *unscored]


async def run(url: str, revision: str) -> Mapping[str, Checks]:
    """Run the scenarios of a revision against a server; returns what each has checked.

    Raises:
        SuiteError: a scenario left no result.
    """
    results = FOLDER / "results" / revision
    shutil.rmtree(results, ignore_errors=True)
    command = (str(INSTALLED / "dist" / "index.js"), "server", "--url", url)
    _, said = await program(
        "node", *command, "--requirements", revision, "--output-dir", str(results)
    )
    found = read_results(results)
    missing = [scenario for scenario in scenarios(revision) if scenario not in found]
    if missing:
        raise SuiteError(f"no result of {', '.join(missing)}:\n{said[-LAST_WORDS:]}")
    return found


def read_results(results: Path) -> dict[str, Checks]:
    """Read what the suite wrote: scenario -> its checks."""
    found: dict[str, Checks] = {}
    for file in results.glob("*/checks.json"):
        named = _RESULT.fullmatch(file.parent.name)
        assert named, f"{file.parent.name} names no scenario"
        found[named["scenario"]] = json.loads(file.read_text())
    return found
