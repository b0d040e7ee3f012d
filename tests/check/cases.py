"""Server files with something wrong, each beside the very lines that `check` says of it.

A case is a file or a folder in `corpus/`; what is expected stands in the `.txt` of its name. A line
`# environ: NAME=value …` in a file sets variables beside those that all cases have. After a
sentence was changed on purpose, `python -m tests.check` writes them all anew, to be read as a diff.
"""

import contextlib
import functools
import re
from pathlib import Path

from bridge.authoring.checking.check import check
from bridge.configuration.findings import Finding

CORPUS = Path(__file__).parent / "corpus"
ENVIRON = {
    "BRIDGE_N8N_URL": "http://127.0.0.1:5678",
    "TOKEN": "the-token-of-claude",
    "HOOK_TOKEN": "the-token-of-n8n-0",
    "N8N_KEY": "the-key-of-the-bridge",
    "SHORT": "tiny-1",
}


def cases() -> list[Path]:
    """Return every case, in order."""
    found = [path for path in CORPUS.iterdir() if path.suffix != ".txt"]
    return sorted(found, key=lambda path: int(path.name.partition("-")[0]))


def expected(case: Path) -> Path:
    """Return the file with what is said of a case."""
    return case.with_suffix(".txt")


@functools.cache
def found_in(case: Path) -> tuple[Finding, ...]:
    """Check one case, from the folder that it lies in."""
    files = sorted(case.iterdir()) if case.is_dir() else [case]
    texts = [file.read_text("utf-8", errors="replace") for file in files if file.exists()]
    told = "\n".join(texts)
    more = dict(
        pair.split("=", 1)
        for line in re.findall("^# environ: (.*)$", told, re.MULTILINE)
        for pair in line.split()
    )
    with contextlib.chdir(CORPUS):
        return check(Path(case.name), ENVIRON | more)
