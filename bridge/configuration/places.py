"""Where things stand in a text, and what is noted of it while it is read."""

import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from bridge.configuration.findings import Finding, Rule, at
from bridge.configuration.rules import FILE_SYNTAX, KEY_TWICE
from bridge.errors import ConfigurationError

Place = tuple[str, ...]

NESTED_MAX = 100
"""So deep may lists and mappings stand in one another: what reads them on calls itself for each."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HALF = re.compile("[\ud800-\udfff]")


class Position(NamedTuple):
    """Where a key or an item begins, counted from 1, in characters."""

    line: int
    column: int


FIRST = Position(1, 1)


class UnreadableError(ConfigurationError):
    """A file is no document; every fault is named at once."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(tuple(map(str, self.findings)))


@dataclass
class Notes:
    """The places of a text that have been found, and what is wrong with it."""

    path: Path
    text: str = ""
    positions: dict[Place, Position] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    repeats: dict[Place, Place] = field(default_factory=dict)

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(end.end() for end in re.finditer("\n", self.text))]

    def position(self, index: int) -> Position:
        """Return the position of a character.

        A line ends where editors and GitHub end it; what else YAML 1.1 takes for one is a character
        like others.
        """
        line = bisect_right(self._lines, index)
        return Position(line, index - self._lines[line - 1] + 1)

    def invalid(self, where: Position, detail: str, rule: Rule = FILE_SYNTAX) -> NoReturn:
        """Refuse the text.

        Raises:
            UnreadableError: always.
        """
        raise UnreadableError([at(rule, f"the file {detail}", self.path, *where)])

    def wrong(self, where: Position, sentence: str, rule: Rule = FILE_SYNTAX) -> None:
        """Record what keeps the text from being used, and may stand beside other faults."""
        self.findings.append(at(rule, sentence, self.path, *where))

    def key(self, place: Place, where: Position, *, is_there: bool) -> None:
        """Record a key, which no other of its mapping may equal."""
        if _CONTROL.search(place[-1]):
            self.wrong(where, "a key must hold no line ends or other control characters")
        if is_there:
            first = self.positions[place].line
            self.wrong(where, f"{'.'.join(place)} was given in line {first} too", KEY_TWICE)
        self.positions[place] = where

    def nest(self, place: Place, where: Position) -> None:
        """Refuse a text that is nested too deeply."""
        if len(place) > NESTED_MAX:
            self.invalid(where, TOO_DEEP)

    def number(self, value: Any, where: Position) -> Any:
        """Return a value; a number that JSON cannot hold is noted."""
        if isinstance(value, float) and not math.isfinite(value):
            self.wrong(where, "a number must be one that JSON can hold: write another, or quote it")
        return value

    def whole(self, text: str, where: Position) -> str:
        """Return a text in which halves of characters are joined; one that is alone is noted.

        YAML knows no pairs of surrogates, by which JSON writes characters such as emoji.
        """
        if not _HALF.search(text):
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.wrong(where, "a text holds half of a character, as \\ud83d is: write all of it")
            return _HALF.sub("\ufffd", text)


TOO_DEEP = f"is nested more than {NESTED_MAX} levels deep here: flatten it"


def read_number(text: str) -> Any:
    """Return a whole number of a JSON text; one that no double holds is infinite."""
    return int(text) if len(text) < 300 else float(text)
