"""A recording of a terminal, in asciinema's format, version 2.

Source: https://docs.asciinema.org/manual/asciicast/v2/
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

SECRET = re.compile(r"[0-9a-f]{32,}|[A-Za-z0-9_-]{40,}")
"""What may be a token: no word is as long."""
OF_A_MACHINE = re.compile(r"/(?:tmp|home|root|Users|private|var|work)\b/?")
"""How paths begin that differ from machine to machine."""


@dataclass(frozen=True)
class Printed:
    """What a terminal was sent, and when, in seconds from the start."""

    at_s: float
    text: str


@dataclass
class Cast:
    """All that a terminal of so many columns and rows was sent, in its order."""

    title: str
    columns: int
    rows: int
    printed: list[Printed] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a recording.

        Raises:
            ValueError: it is no recording of version 2, or its times do not rise.
        """
        head, *lines = [json.loads(line) for line in file.read_text().splitlines()]
        if head["version"] != 2 or any(kind != "o" for _, kind, _ in lines):
            raise ValueError(f"{file.name} is no recording of version 2 with output alone")
        printed = [Printed(at_s, text) for at_s, _, text in lines]
        if printed != sorted(printed, key=lambda each: each.at_s):
            raise ValueError(f"{file.name} goes back in time")
        return cls(head["title"], head["width"], head["height"], printed)

    def write(self, file: Path) -> None:
        """Write the recording to a file."""
        head = {
            "version": 2,
            "width": self.columns,
            "height": self.rows,
            "title": self.title,
            "env": {"TERM": "xterm-256color", "SHELL": "/bin/bash"},
        }
        lines = [head, *([each.at_s, "o", each.text] for each in self.printed)]
        file.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))

    @property
    def text(self) -> str:
        """All that was printed."""
        return "".join(each.text for each in self.printed)

    def scrubbed(self) -> Self:
        """Return the same with each token made unreadable; nothing moves, for the length stays.

        Raises:
            ValueError: something else of this machine was printed.
        """
        clean = SECRET.sub(lambda found: "x" * len(found[0]), self.text)
        if found := OF_A_MACHINE.search(clean):
            near = clean[max(found.start() - 40, 0) : found.end() + 40]
            raise ValueError(f"{self.title} shows a path of this machine: {near!r}")
        return type(self)(self.title, self.columns, self.rows, list(self._cut(clean)))

    def _cut(self, clean: str) -> Iterator[Printed]:
        start = 0
        for each in self.printed:
            end = start + len(each.text)
            yield Printed(round(each.at_s, 3), clean[start:end])
            start = end
