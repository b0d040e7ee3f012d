"""Ties a process to the one that started it: when that one ends, even by kill -9, so does this.

A supervisor that is killed can tidy nothing up, so the kernel keeps the promise. Run as a script
(`die_with_parent.py PARENT_PID PROGRAM [ARGUMENT...]`) this file ties itself and then becomes
PROGRAM: same process id, same open files. The program asks nothing of it and need not be Python.

On purpose:
1. SIGKILL, not SIGTERM: a child whose supervisor crashed has nobody to drain for, and the next
   start must find its port and its data free.
2. On Linux the tie is to the thread that starts the child, so start children from the main thread.
3. No `preexec_fn`: it runs Python between fork and exec, which deadlocks beside other threads.
4. PROGRAM begins with SIGHUP ignored, which would end it: a reload may be asked for in the second
   that it takes to hear of one. It reads its files later than that anyway.
"""

import ctypes
import os
import signal
import sys

if sys.platform != "linux":  # pragma: no cover - measured on Linux
    import select

PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>; kept over execve(2), see prctl(2)."""


def tied_to_parent(*command: str) -> tuple[str, ...]:
    """Return the command that runs `command` and never outlives this process."""
    # -I keeps this folder off sys.path, where queue.py would hide the standard library's.
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), *command)


if sys.platform == "linux":

    def tie_to(parent_pid: int) -> None:
        """Have the kernel kill this process when its parent ends."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent_pid:  # pragma: no cover - it ended before the tie was made
            os.kill(os.getpid(), signal.SIGKILL)

else:  # pragma: no cover - measured on Linux

    def tie_to(parent_pid: int) -> None:
        """Leave a watcher behind that kills this process when its parent ends."""
        tied_pid = os.getpid()
        if os.fork() == 0:
            if os.fork() == 0:  # twice, so that PROGRAM never has a child it did not make
                watch(parent_pid, tied_pid)
            os._exit(0)
        os.wait()

    def watch(parent_pid: int, tied_pid: int) -> None:
        """Wait for either process to end; the parent's end is the other's too."""
        ends = [
            select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            for pid in (parent_pid, tied_pid)
        ]
        # A process that is gone already comes back as an event too (EV_ERROR, kevent(2)).
        if any(end.ident == parent_pid for end in select.kqueue().control(ends, 2)):
            os.kill(tied_pid, signal.SIGKILL)


if __name__ == "__main__":  # pragma: no cover - nothing is measured under -I -S
    tie_to(int(sys.argv[1]))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - to become PROGRAM is this file's purpose
