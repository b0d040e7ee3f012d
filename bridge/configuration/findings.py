"""What is found in configuration: a rule, a place in a file, and a sentence how to mend it.

A rule is the same in every file; its id is what programs know it by.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from typing_extensions import override


class Severity(StrEnum):
    """What a finding means for whoever runs `check`: only errors make it fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Rule:
    """One thing that may be wrong; `summary` names it, `mend` says what to do about it."""

    id: str
    severity: Severity
    summary: str
    mend: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; `sentence` is whole, and repeats no secret.

    What has no line lies in no file, or in no part of one; what has no column, in a whole line.
    """

    rule: Rule
    sentence: str
    severity: Severity
    path: Path | None = None
    line: int | None = None
    column: int | None = None

    def without(self, secrets: Mapping[str, str]) -> Self:
        """Return it with something else in place of each secret."""
        sentence = self.sentence
        for secret, instead in sorted(secrets.items(), key=lambda each: -len(each[0])):
            sentence = sentence.replace(secret, instead)
        return self if sentence == self.sentence else replace(self, sentence=sentence)

    @override
    def __str__(self) -> str:
        """Return it as starts name it, `file:line: sentence`."""
        parts = [printable(str(part)) for part in (self.path, self.line) if part is not None]
        return ": ".join([*([":".join(parts)] if parts else []), self.sentence])


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text for one line of a terminal: what would move its cursor stands as an escape."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def at(
    rule: Rule, sentence: str, path: Path, line: int | None = None, column: int | None = None
) -> Finding:
    """Return a finding of a file, as severe as its rule."""
    return Finding(rule, printable(sentence), rule.severity, path, line, column)


def anywhere(rule: Rule, sentence: str) -> Finding:
    """Return a finding of no file, as severe as its rule."""
    return Finding(rule, printable(sentence), rule.severity)
