"""The examples in config/examples: server file, README, n8n workflows and samples of each."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config" / "examples"

WRITTEN_OUTSIDE = re.compile(r"https://([a-z0-9-]+)\.example\.com")
"""What the samples and the workflows call the systems outside, such as a CRM."""


@dataclass(frozen=True)
class Example:
    """One example, by the name of its server."""

    name: str

    @property
    def folder(self) -> Path:
        """Return where all but its server file is."""
        return FOLDER / self.name

    @property
    def readme(self) -> list[str]:
        """Return the lines of its README."""
        return (self.folder / "README.md").read_text().splitlines()

    @property
    def shows(self) -> str:
        """Return what it shows, as the title of its README says it."""
        return self.readme[0].partition(": ")[2]

    @property
    def does(self) -> str:
        """Return what it does, which is the first sentence of its README."""
        return self.readme[2]

    @property
    def workflows(self) -> list[Path]:
        """Return the files that n8n imports."""
        return sorted(self.folder.glob("workflows/*.json"))

    @property
    def script(self) -> Callable[[Any], Any]:
        """Return what n8n, Claude and the systems outside do in it, in tests/gallery/scripts."""
        module = import_module(f"tests.gallery.scripts.{self.name.replace('-', '_')}")
        play: Callable[[Any], Any] = module.play
        return play


def examples() -> list[Example]:
    """Return the examples that there are: one for each server file."""
    files = [*FOLDER.glob("*.yaml"), *FOLDER.glob("*.json")]
    return [Example(file.stem) for file in sorted(files)]
