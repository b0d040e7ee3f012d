"""Moments as people write them: so long ago, or when."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bridge.formats.times import moment, spelled

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2h", timedelta(hours=2)),
        ("90", timedelta(seconds=90)),
        ("2030-01-31T12:00:00Z", NOON),
        ("2030-01-31T12:00", NOON),
        ("2030-01-31T13:00:00.000+01:00", NOON.astimezone(timezone(timedelta(hours=1)))),
        ("2030-01-31", NOON.replace(hour=0)),
    ],
)
def test_a_moment_is_so_long_ago_or_a_time_in_utc(text: str, found: timedelta | datetime) -> None:
    assert moment(text) == found
    assert moment(spelled(found)) == found


@pytest.mark.parametrize("text", ["", "yesterday", "-2h", "2030-13-01", "12:00"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="how long ago, such as 2h, or a moment"):
        moment(text)
