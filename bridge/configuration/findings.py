"""What is found in configuration: a rule, a place in a file, and a sentence how to mend it.

A rule is the same in every file; its id is what programs know it by.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

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

    @override
    def __str__(self) -> str:
        """Return it as starts name it, `file:line: sentence`."""
        parts = [str(part) for part in (self.path, self.line) if part is not None]
        return ": ".join([*([":".join(parts)] if parts else []), self.sentence])


def at(
    rule: Rule, sentence: str, path: Path, line: int | None = None, column: int | None = None
) -> Finding:
    """Return a finding of a file, as severe as its rule."""
    return Finding(rule, sentence, rule.severity, path, line, column)


def anywhere(rule: Rule, sentence: str) -> Finding:
    """Return a finding of no file, as severe as its rule."""
    return Finding(rule, sentence, rule.severity)
