"""Moments as people write them: how long ago, such as `2h`, or when, as RFC 3339 has it."""

from datetime import UTC, datetime, timedelta

from bridge.formats.quantities import seconds

PastMoment = timedelta | datetime
"""How long ago something was, or when."""

MOMENT_RULE = "must be how long ago, such as 2h, or a moment in UTC such as 2030-01-31T12:00"


def moment(text: str) -> PastMoment:
    """Read how long ago something was, or when; a moment that names no zone is in UTC.

    Raises:
        ValueError: it is neither.
    """
    try:
        return timedelta(seconds=seconds(text))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(MOMENT_RULE) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def spelled(when: PastMoment) -> str:
    """Return it as a text that `moment` reads."""
    return when.isoformat() if isinstance(when, datetime) else f"{when.total_seconds():g}s"
