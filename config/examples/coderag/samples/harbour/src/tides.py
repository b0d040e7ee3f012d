"""The height of the water, from tables."""

import bisect
import csv
from datetime import datetime
from pathlib import Path

ALARM_M = 0.4


class TideTable:
    """Heights by time; between two entries it is the lower that counts."""

    def __init__(self, file: Path) -> None:
        with file.open(newline="") as opened:
            rows = [
                (datetime.fromisoformat(at), float(height)) for at, height in csv.reader(opened)
            ]
        self._times = [at for at, _ in rows]
        self._heights = [height for _, height in rows]

    def height_m(self, at: datetime) -> float:
        """Return the height at a moment."""
        place = bisect.bisect_right(self._times, at)
        return min(self._heights[max(0, place - 1) : place + 1])

    def is_alarming(self, at: datetime) -> bool:
        """Report whether masters have to be warned of low water."""
        return self.height_m(at) < ALARM_M
