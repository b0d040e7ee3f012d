"""What processor time processes have used, as Linux tells it."""

from collections.abc import Iterable
from pathlib import Path

NS_A_S = 1e9


def cpu_s(pids: Iterable[int]) -> float:
    """Return the seconds of processor time that the living threads of processes have used."""
    return sum(_ns(pid) for pid in pids) / NS_A_S


def _ns(pid: int) -> int:
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads)
