"""`python -m tests.bench.inside FILE COMMAND …`: the bridge's command, counted from the inside.

At SIGUSR1 and at its end the process adds a line of JSON to FILE: what it has done since the last.
From the first on nothing is collected as garbage in between, so that what stays is counted whenever
it was left. The profiler sees the main thread alone, which is where the loop runs.
"""

import atexit
import gc
import json
import runpy
import signal
import sys
import tracemalloc
from pathlib import Path
from types import FrameType


class Inside:
    """Counts function calls, blocks and bytes of the process it is in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._calls = 0
        self._blocks = self._bytes = 0

    def _profile(self, _frame: FrameType, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            self._calls += 1

    def report(self, *_: object) -> None:
        """Write a line, and begin anew; what is traced is traced from the first on."""
        left = sys.getallocatedblocks() - self._blocks
        gc.collect()
        line = {
            "calls": self._calls,
            "blocks": left,
            "kept_bytes": tracemalloc.get_traced_memory()[0] - self._bytes,
            "modules": len(sys.modules),
        }
        with self._file.open("a") as lines:
            lines.write(json.dumps(line) + "\n")
        if not tracemalloc.is_tracing():
            tracemalloc.start()
            sys.setprofile(self._profile)
            gc.disable()
        self._bytes = tracemalloc.get_traced_memory()[0]
        self._blocks, self._calls = sys.getallocatedblocks(), 0


if __name__ == "__main__":
    inside = Inside(Path(sys.argv[1]))
    signal.signal(signal.SIGUSR1, inside.report)
    atexit.register(inside.report)
    sys.argv = ["bridge", *sys.argv[2:]]
    runpy.run_module("bridge", run_name="__main__", alter_sys=True)
