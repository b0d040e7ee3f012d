"""What a check saw: right, to be regretted, wrong, or not looked at; each with what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """What an observation means for whoever runs `doctor`: only errors make it fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Observation:
    """One thing that was looked at; `sentence` repeats no secret, `remedy` says what to do.

    `id` is the same for the same thing on every machine, `subject` names the thing on this one.
    """

    id: str
    severity: Level
    subject: str
    sentence: str
    remedy: str = ""


def right(identifier: str, subject: str, sentence: str, hint: str = "") -> Observation:
    """Return that something is as it should be, with what there is to compare, if anything."""
    return Observation(identifier, Level.OK, subject, sentence, hint)


def doubtful(identifier: str, subject: str, sentence: str, remedy: str) -> Observation:
    """Return that something may be regretted."""
    return Observation(identifier, Level.WARNING, subject, sentence, remedy)


def wrong(identifier: str, subject: str, sentence: str, remedy: str) -> Observation:
    """Return that something is wrong."""
    return Observation(identifier, Level.ERROR, subject, sentence, remedy)


def passed_over(identifier: str, subject: str, sentence: str, remedy: str = "") -> Observation:
    """Return that something was not looked at, and what it would take."""
    return Observation(identifier, Level.SKIPPED, subject, sentence, remedy)
