"""A recording of a terminal, in asciinema's format, version 2.

Source: https://docs.asciinema.org/manual/asciicast/v2/
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

SECRET = re.compile(r"[0-9a-f]{32,}|[A-Za-z0-9_-]{40,}")
"""What may be a token: no word is as long."""
STEERING = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[ -/]*[0-~])")
OF_A_MACHINE = re.compile(r"/(?:tmp|home|root|Users|private|var|work)\b/?")
"""How paths begin that differ from machine to machine."""


@dataclass(frozen=True)
class Moment:
    """What a terminal was sent (`o`) or what was typed (`i`), in seconds from the start."""

    at_s: float
    kind: str
    text: str


@dataclass
class Cast:
    """All that was typed at a terminal of so many columns and rows, and all that it was sent."""

    title: str
    columns: int
    rows: int
    moments: list[Moment] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a recording.

        Raises:
            ValueError: it is no recording of version 2, or its times do not rise.
        """
        head, *lines = [json.loads(line) for line in file.read_text().splitlines()]
        moments = [Moment(*line) for line in lines]
        if head["version"] != 2 or {each.kind for each in moments} != {"i", "o"}:
            raise ValueError(f"{file.name} is no recording of version 2")
        if moments != sorted(moments, key=lambda each: each.at_s):
            raise ValueError(f"{file.name} goes back in time")
        return cls(head["title"], head["width"], head["height"], moments)

    def write(self, file: Path) -> None:
        """Write the recording to a file."""
        head = {
            "version": 2,
            "width": self.columns,
            "height": self.rows,
            "title": self.title,
            "env": {"TERM": "xterm-256color", "SHELL": "/bin/bash"},
        }
        lines = [head, *([each.at_s, each.kind, each.text] for each in self.moments)]
        file.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))

    @property
    def printed(self) -> list[Moment]:
        """What the terminal was sent."""
        return [each for each in self.moments if each.kind == "o"]

    @property
    def shown(self) -> str:
        """All that the terminal was sent, without what steers it."""
        return STEERING.sub("", "".join(each.text for each in self.printed))

    @property
    def typed(self) -> list[str]:
        """The lines that were typed."""
        return "".join(each.text for each in self.moments if each.kind == "i").split("\n")

    def shortened(self, longest_s: float) -> Self:
        """Return the same with no wait in it longer than that: a busy machine is nothing to see."""
        moments: list[Moment] = []
        saved_s = before_s = 0.0
        for each in self.moments:
            saved_s += max(each.at_s - before_s - longest_s, 0)
            before_s = each.at_s
            moments.append(replace(each, at_s=each.at_s - saved_s))
        return replace(self, moments=moments)

    def scrubbed(self) -> Self:
        """Return the same with each token made unreadable; nothing moves, for the length stays.

        Raises:
            ValueError: something else of this machine was printed.
        """
        clean = SECRET.sub(
            lambda found: "x" * len(found[0]), "".join(each.text for each in self.printed)
        )
        if found := OF_A_MACHINE.search(clean):
            near = clean[max(found.start() - 40, 0) : found.end() + 40]
            raise ValueError(f"{self.title} shows a path of this machine: {near!r}")
        return replace(self, moments=list(self._cut(clean)))

    def _cut(self, clean: str) -> Iterator[Moment]:
        start = 0
        for each in self.moments:
            at_s = round(each.at_s, 3)
            if each.kind == "i":
                yield replace(each, at_s=at_s)
            else:
                end = start + len(each.text)
                yield replace(each, at_s=at_s, text=clean[start:end])
                start = end
