"""What a process holds in memory, as Linux tells it."""

from pathlib import Path

KB_A_MB = 1024


def resident_kb(pid: int) -> int:
    """Return the resident set of a process now."""
    return _field(f"/proc/{pid}/status", "VmRSS")


def resident_peak_kb(pid: int) -> int:
    """Return the largest resident set that a process ever had."""
    return _field(f"/proc/{pid}/status", "VmHWM")


def family_kb(pid: int) -> int:
    """Return the memory that a process and all below it share with nobody.

    A member that ends while it is looked at counts for nothing.
    """
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        rollup = f"/proc/{pid}/smaps_rollup"
        own = _field(rollup, "Private_Clean") + _field(rollup, "Private_Dirty")
    except (OSError, LookupError):
        return 0
    return own + sum(family_kb(int(child)) for child in children)


def _field(file: str, name: str) -> int:
    for line in Path(file).read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(f"{file} has no {name}")
