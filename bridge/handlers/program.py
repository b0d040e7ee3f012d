"""A process with handlers in it, from its start: `serve` for a worker, or `describe` once.

On purpose:
1. Its environment holds nothing of the bridge's own: see `launching`.
2. It ends with who started it, and whatever it has started ends with it: see `guard`.
3. The user's code is kept to a limit of memory; the system ends this process before the bridge
   when memory runs out.
"""

import contextlib
import faulthandler
import json
import os
import resource
import socket
import sys
from pathlib import Path
from typing import Any

from bridge.handlers.guard import guard

OOM_SCORE = 500
"""How much sooner than others the system ends it for want of memory; 1000 is the most."""


def main(arguments: list[str]) -> None:  # pragma: no cover - its environment is made from nothing
    """Run as asked: `serve FD MEMORY_BYTES NAME` or `describe MEMORY_BYTES`."""
    if arguments[0] == "serve":
        end = socket.socket(fileno=int(arguments[1]))
        guard(end.fileno())
        _confine(int(arguments[2]))
        from bridge.handlers.serving import serve  # noqa: PLC0415 - within those limits

        serve(end)
    else:
        guard(1)
        _confine(int(arguments[1]))
        asked: dict[str, Any] = json.load(sys.stdin)
        sink = os.dup(1)
        # Who asked waits until it is closed: a module may leave a process of its own behind.
        os.register_at_fork(after_in_child=lambda: os.close(sink))
        with Path(os.devnull).open("r+b") as nothing:
            for each in (0, 1, 2):
                os.dup2(nothing.fileno(), each)
        from bridge.handlers.describing import report  # noqa: PLC0415 - within those limits

        report(asked, sink)


def _confine(memory_bytes: int) -> None:  # pragma: no cover - likewise
    faulthandler.enable()  # a crash tells on stderr where it came about
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory_bytes if most == resource.RLIM_INFINITY else min(memory_bytes, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
