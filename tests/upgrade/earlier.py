"""The version that the one at hand must get on with: the wheel of a commit, named after it.

It lies here because a clone may be shallow, and the commit not in it. `python -m
tests.upgrade.earlier COMMIT` builds the one of another commit, as each release does. Only the
modules are the earlier ones: what they import of other projects is what the one at hand runs on.
"""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

from tests.wheels import build

HERE = Path(__file__).parent
PACKAGES = ("bridge", "workers")
(WHEEL,) = HERE.glob("*.whl")
COMMIT = WHEEL.stem


def unpack(folder: Path) -> Path:
    """Unpack the earlier version into a folder; return the folder."""
    with zipfile.ZipFile(WHEEL) as wheel:
        wheel.extractall(folder)
    return folder


def pack(commit: str) -> Path:
    """Keep the wheel of a commit as the earlier version, in place of what was kept before."""
    short = git("rev-parse", "--short=7", f"{commit}^{{commit}}").decode().strip()
    with tempfile.TemporaryDirectory() as made:
        tree = Path(made)
        with tarfile.open(fileobj=BytesIO(git("archive", short))) as archive:
            archive.extractall(tree / "tree", filter="data")
        build(tree / "dist", "wheel", tree=tree / "tree")
        (built,) = (tree / "dist").glob("*.whl")
        content = built.read_bytes()
    WHEEL.unlink()
    kept = HERE / f"{short}.whl"
    kept.write_bytes(content)
    return kept


def git(*command: str) -> bytes:
    """Run git on this repository; return what it prints."""
    return subprocess.run(
        ("git", *command), cwd=HERE.parents[1], check=True, capture_output=True
    ).stdout


if __name__ == "__main__":
    print(pack(sys.argv[1]))  # noqa: T201 - it is a command
