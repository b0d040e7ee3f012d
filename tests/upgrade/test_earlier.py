"""What is kept of the earlier version is that version, and is what its processes run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bridge_processes import ROOT
from tests.upgrade.earlier import COMMIT, PACKAGES

DEMO = "bridge/config/servers/demo.yaml"
"""What a wheel has in its packages from elsewhere in the tree."""


def git(*command: str, stdin: str = "") -> str:
    ran = subprocess.run(
        ("git", *command), cwd=ROOT, input=stdin, capture_output=True, text=True, check=True
    )
    return ran.stdout


def has_commit() -> bool:
    try:
        git("cat-file", "-e", f"{COMMIT}^{{commit}}")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@pytest.mark.skipif(not has_commit(), reason=f"this clone does not reach back to {COMMIT}")
def test_the_wheel_holds_the_files_of_its_commit(earlier: Path) -> None:
    listed = [
        line.split(maxsplit=3) for line in git("ls-tree", "-r", COMMIT, *PACKAGES).splitlines()
    ]
    packed = (file for package in PACKAGES for file in (earlier / package).rglob("*"))
    files = sorted(file for file in packed if file.is_file() and file != earlier / DEMO)
    kept = [file for file in files if "__pycache__" not in file.parts]
    hashes = git("hash-object", "--no-filters", "--stdin-paths", stdin="\n".join(map(str, kept)))
    names = [file.relative_to(earlier).as_posix() for file in kept]
    found = zip(hashes.split(), names, strict=True)
    assert {(digest, path) for _mode, _type, digest, path in listed} == set(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_process_of_a_folder_runs_what_is_in_it(earlier: Path, package: str) -> None:
    ran = subprocess.run(
        (sys.executable, "-c", f"import {package}; print({package}.__file__)"),
        cwd=earlier,
        env={**os.environ, "PYTHONPATH": str(earlier)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(ran.stdout.strip()) == earlier / package / "__init__.py"
