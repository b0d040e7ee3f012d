"""What happens as plain lines, one a change, for logs and CI."""

from collections.abc import Callable, Sequence
from datetime import datetime

from bridge.authoring.development.activity import Activity
from bridge.log import printable


def line_of(activity: Activity) -> str:
    """Return an event or call as it stands, on one line."""
    at = datetime.fromtimestamp(activity.stages[-1].at_ms / 1000).astimezone()
    said = [
        f"{at:%H:%M:%S}",
        "call " if activity.is_call else "event",
        activity.place,
        activity.record_id,
        activity.state,
        f"by {activity.who}" if activity.who else "",
        f"attempt {activity.attempt}" if activity.attempt > 1 else "",
        f"({activity.times})",
        activity.reason,
    ]
    return printable("  ".join(part for part in said if part))


class PlainLines:
    """Shows what happens by printing a line a change, with `echo`."""

    def __init__(self, echo: Callable[[str], None]) -> None:
        self._echo = echo

    def say(self, text: str) -> None:
        """Print a message on one line."""
        self._echo(printable(text))

    def show(self, changed: Sequence[Activity], _newest_first: Sequence[Activity]) -> None:
        """Print what has changed."""
        for activity in changed:
            self.say(line_of(activity))
