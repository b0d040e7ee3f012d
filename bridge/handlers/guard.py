"""The guard of a process with handlers: its parent, which ends all that it has started.

It was there before any handler was imported, and needs no turn of an interpreter that may hang.

On Linux it takes in the orphans of all that descends from it, so that what leaves the group of
processes, as daemons do, ends too. Elsewhere it ends the group.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

from bridge.local.die_with_parent import tie_to

PR_SET_CHILD_SUBREAPER = 36
"""From <sys/prctl.h>: orphans get this process for a parent, see prctl(2)."""

SWEEP_S = 4.0
"""How long it keeps up with what starts others faster than it can end them."""


def guard(watched: int) -> None:  # pragma: no cover - its environment is made from nothing
    """Go on as a child of this process, which ends with all that descends from it.

    That is when the child ends, whose exit status is then its own, or when the other end of the
    descriptor `watched` is closed.
    """
    guard_pid = os.getpid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGABRT, signal.SIG_IGN)  # it is for the child, which says where it stands
    child = os.fork()
    if not child:
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        tie_to(guard_pid)
        return
    for each in {0, 1, 2} - {watched}:
        os.close(each)
    threading.Thread(target=_end_on_hangup, args=(watched, child), daemon=True).start()
    status = _status_of(child)
    _end_descendants()
    _leave_with(status)


def _end_on_hangup(watched: int, child: int) -> None:  # pragma: no cover - likewise
    hangup = select.poll()
    hangup.register(watched, 0)
    hangup.poll()
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def _status_of(child: int) -> int:  # pragma: no cover - likewise
    """Wait for the end of a child, and of any orphan before it; return its wait status."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _end_descendants() -> None:  # pragma: no cover - likewise
    """End what there is, whose children then are this process's own, until there is nothing."""
    give_up_at = time.monotonic() + SWEEP_S
    while (children := _children()) and time.monotonic() < give_up_at:
        for each in children:
            os.kill(each, signal.SIGKILL)
        for _ in children:
            os.wait()


def _children() -> list[int]:  # pragma: no cover - likewise
    """Return the children of this process, as far as the system tells of them."""
    mine = str(os.getpid())
    children = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            _, _, after_name = entry.read_text(errors="replace").rpartition(")")
            if after_name.split()[1] == mine:
                children.append(int(entry.parent.name))
    return children


def _leave_with(status: int) -> None:  # pragma: no cover - likewise
    """End as the child did."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        os._exit(code)
    with contextlib.suppress(OSError):  # SIGKILL has no other
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
