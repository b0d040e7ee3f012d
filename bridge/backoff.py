"""How long to wait before the next attempt."""


def delay_before(attempt: int, first_s: float, cap_s: float, jitter: float) -> float:
    """Return the seconds before `attempt` (2 is the first repeat): doubling, capped, spread.

    `jitter` is a number from 0 to 1 that the caller draws; it moves the delay by up to a quarter
    either way, never above `cap_s`.
    """
    doublings = min(max(attempt - 2, 0), 60)
    delay = min(first_s * 2.0**doublings, cap_s)
    return min(delay * (0.75 + jitter / 2), cap_s)
