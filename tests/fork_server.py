"""A process that has loaded a tree of the bridge, and forks for each order that it gets.

The tree is the one that `PYTHONPATH` names, and may be of an earlier version. So nothing of this
project is imported from here, and how to tie a process is read from its file.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

BESIDE = ("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvloop")
"""What the bridge's own modules load while they run."""

DIE_WITH_PARENT = Path(__file__).parent.parent / "bridge/local/die_with_parent.py"
ORDER_MAX_BYTES = 1 << 17

IS_MEASURED = "COVERAGE_PROCESS_CONFIG" in os.environ
"""Whether coverage is measured (`make coverage`), of this process and of all that it starts."""

SAVE_AND_END = signal.SIGUSR1
"""Ends a process that is measured; by SIGKILL what it has run would not be known."""


def serve(orders: socket.socket) -> None:
    """Fork for each order; return in what was forked, which then runs, and once all have ended."""
    for name in (*BESIDE, *names_of_modules()):
        importlib.import_module(name)
    tie_to = runpy.run_path(str(DIE_WITH_PARENT))["tie_to"]
    gc.collect()
    gc.freeze()
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, "what runs beside a fork may hold a lock that nobody lets go in it"
    waking, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    parent_pid = os.getpid()
    while True:
        ready, _, _ = select.select([orders.fileno(), waking], [], [])
        if waking in ready:
            os.read(waking, ORDER_MAX_BYTES)
            tell_ends(orders)
        if orders.fileno() in ready:
            try:
                order, files, _, _ = socket.recv_fds(orders, ORDER_MAX_BYTES, 3)
            except ConnectionError:  # what was told last was not heard
                return
            if not order:
                return
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                tie_to(parent_pid)
                for descriptor in (waking, wake, orders.detach()):
                    os.close(descriptor)
                become(files, **json.loads(order))
                return
            for file in files:
                os.close(file)
            orders.send(json.dumps([pid, None]).encode())


def names_of_modules() -> list[str]:
    """Return the names of all modules of the tree that are not there to be run."""
    packages = (importlib.import_module(name) for name in ("bridge", "workers"))
    found = (
        each.name
        for package in packages
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    )
    return [name for name in found if not name.endswith(".__main__")]


def tell_ends(orders: socket.socket) -> None:
    """Tell how processes have ended, by their ids."""
    with contextlib.suppress(ChildProcessError):  # there is none
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            orders.send(json.dumps([pid, os.waitstatus_to_exitcode(status)]).encode())


def become(files: list[int], arguments: list[str], folder: str, environ: Mapping[str, str]) -> None:
    """Take on what a process has of its own, and run."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    if IS_MEASURED:
        signal.signal(SAVE_AND_END, lambda *_: os._exit(0))  # coverage has it save
    module, *rest = arguments
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
