"""What happens as plain lines, one a change, for logs and CI."""

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
