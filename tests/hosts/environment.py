"""The environment that programs under test run in."""

import os
from pathlib import Path


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment with nothing of its user's: a home of its own, and what is named."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), **more}
