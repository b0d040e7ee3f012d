"""The version that the one at hand must get on with: its modules as they were, kept as an archive.

The archive lies here because a clone may be shallow, and the commit not in it. It is what
`git archive COMMIT bridge workers` writes, packed; `python -m tests.upgrade.earlier COMMIT` makes
the one of another commit. Only the modules are the earlier ones: what they import of other projects
is what the one at hand runs on.
"""

import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("bridge", "workers")
(ARCHIVE,) = HERE.glob("*.tar.xz")
COMMIT = ARCHIVE.name.partition(".")[0]


def unpack(folder: Path) -> Path:
    """Unpack the earlier version into a folder; return the folder."""
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            if (file := archive.extractfile(member)) is not None:
                place = folder / member.name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(file.read())
    return folder


def pack(commit: str) -> Path:
    """Keep the modules of a commit as the earlier version, in place of what was kept before."""
    archive = ("git", "archive", commit, *PACKAGES)
    tar = subprocess.run(archive, cwd=HERE.parents[1], check=True, capture_output=True).stdout
    for kept in HERE.glob("*.tar.xz"):
        kept.unlink()
    made = HERE / f"{commit}.tar.xz"
    made.write_bytes(lzma.compress(tar, preset=9 | lzma.PRESET_EXTREME))
    return made


if __name__ == "__main__":
    print(pack(sys.argv[1]))  # noqa: T201 - it is a command
