"""What processor time processes have used, as Linux tells it, and when the machine is at rest."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

NS_A_S = 1e9
TICKS_A_S = os.sysconf("SC_CLK_TCK")
AT_REST = 0.1
"""Share of one processor that may be in use on a machine that is said to be at rest."""
LOOK_S = 0.5


def cpu_s(pids: Iterable[int]) -> float:
    """Return the seconds of processor time that the living threads of processes have used."""
    return sum(_ns(pid) for pid in pids) / NS_A_S


def _ns(pid: int) -> int:
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads)


async def rest(at_most_s: float) -> None:
    """Wait until next to nothing runs on the machine, but not longer than told.

    A program that was asked a moment ago may still work off what nobody waits for any more.
    """
    until = monotonic() + at_most_s
    before_s = _busy_s()
    while monotonic() < until:
        await asyncio.sleep(LOOK_S)
        now_s = _busy_s()
        if now_s - before_s < AT_REST * LOOK_S:
            return
        before_s = now_s


def _busy_s() -> float:
    """Return the seconds that all processors were in use: not idle, not waiting for a disk.

    Source: proc_stat(5), the line "cpu".
    """
    ticks = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS_A_S
