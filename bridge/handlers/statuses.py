"""What the exit status of a process says of its end."""

import signal


def signal_name(status: int) -> str:
    """Return the name of the signal that ended a process, whose status is its number below 0."""
    try:
        return signal.Signals(-status).name
    except ValueError:  # of the real-time signals only the first and the last have a name
        return f"signal {-status}"
