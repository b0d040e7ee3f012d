"""The Dockerfile, as what builds an image reads it."""

from collections.abc import Iterator

from tests.processes import ROOT

FILE = ROOT / "config" / "deploy" / "Dockerfile"


def steps() -> Iterator[tuple[str, str]]:
    """Yield the instructions of the Dockerfile, each on one line."""
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        step, _, rest = line.partition(" ")
        yield step, " ".join(rest.split())
