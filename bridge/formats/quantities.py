"""Times, rates and sizes as people write them: `15m`, `500ms`, `100/s`, `1GiB`."""

import math
import re
from dataclasses import dataclass

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

SECONDS_MAX = 100 * 365 * 86_400
"""The longest time that may be set: Redis keeps no key for one that ends beyond 2^63 ms."""

TIME_PATTERN = r"^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?$"
RATE_PATTERN = r"^([1-9][0-9]*)/(s|m|h|d)$"
SIZE_PATTERN = r"^([1-9][0-9]*)(KiB|MiB|GiB|TiB)$"

_BYTES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}


@dataclass(frozen=True)
class Rate:
    """At most `count` in any `window_s` seconds."""

    count: int
    window_s: float


def seconds(raw: object) -> float:
    """Read a length of time in seconds from a number or a text such as `30s`.

    Raises:
        ValueError: neither a number that is not negative nor such a text, or beyond SECONDS_MAX.
    """
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        value = float(raw)
    else:
        found = re.fullmatch(TIME_PATTERN, raw) if isinstance(raw, str) else None
        value = float(found[1]) * _SECONDS[found[2] or ""] if found else math.nan
    if not 0 <= value < math.inf:
        raise ValueError("must be a time such as 500ms, 30s, 15m, 2h or 1d, or a number of seconds")
    if value > SECONDS_MAX:
        raise ValueError("must be a time of at most 100 years")
    return value


def rate(raw: object) -> Rate:
    """Read a rate from a text such as `100/s` or `60/m`.

    Raises:
        ValueError: not such a text.
    """
    if isinstance(raw, Rate):
        return raw
    found = re.fullmatch(RATE_PATTERN, raw) if isinstance(raw, str) else None
    if not found:
        raise ValueError("must be a rate such as 100/s, 60/m or 5/h")
    return Rate(int(found[1]), _SECONDS[found[2]])


def size_bytes(raw: object) -> int:
    """Read a size in bytes from a text such as `512MiB`.

    Raises:
        ValueError: not such a text.
    """
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    found = re.fullmatch(SIZE_PATTERN, raw) if isinstance(raw, str) else None
    if not found:
        raise ValueError("must be a size such as 512MiB or 2GiB")
    return int(found[1]) * _BYTES[found[2]]


def duration(ms: int) -> str:
    """Format a length of time for people."""
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
