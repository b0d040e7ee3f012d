"""Processes of the bridge that are forked from one that has loaded it.

To load all of it takes more than a second, longer than most tests need a process for. So while
tests run, one process loads it once and forks for each that is wanted. What is forked has an id, an
environment, a folder and open files of its own, runs `python -m …` from there on, and never
outlives the tests; it can be killed, frozen and waited for as any other.

On purpose:
1. What somebody measures or torments by hand (`make bench`, `make chaos`) is started as users do.
2. So are `up`, which starts its own children, and code of another tree.
3. RQ reads the prefix of its keys while it is loaded, so a process with one cannot be forked.
"""

import asyncio
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
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import bridge
import workers
from bridge.local.die_with_parent import tie_to, tied_to_parent

ROOT = Path(__file__).parent.parent
BESIDE = ("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvloop")
"""What the bridge's own modules load while they run."""

ORDER_MAX_BYTES = 1 << 17

Files = tuple[int, int, int]
"""What a process has for stdin, stdout and stderr."""


class Process(Protocol):
    """What tests do with a process, forked or not."""

    @property
    def pid(self) -> int:
        """Its id."""

    @property
    def returncode(self) -> int | None:
        """Its exit status, minus the signal's number if killed; None while it runs."""

    async def wait(self) -> int:
        """Wait for its end; return its exit status."""

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


async def start_python(
    *arguments: str, folder: Path, environ: Mapping[str, str], files: Files
) -> Process:
    """Run `python -m` with these arguments: forked while tests run, else started.

    The code is that of this tree, unless the environment names another (`PYTHONPATH`).
    """
    is_loaded = environ.get("PYTHONPATH", str(ROOT)) == str(ROOT)
    if Forks.current and is_loaded and "RQ_KEY_PREFIX" not in environ:
        return await Forks.current.fork(arguments, folder, environ, files)
    stdin, stdout, stderr = files
    return await asyncio.create_subprocess_exec(
        *tied_to_parent(sys.executable, "-m", *arguments),
        cwd=folder,
        env=dict(environ),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )


class Forked:
    """A process that was forked, as far as the process that forked it has told."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._has_ended = asyncio.Event()

    def ended(self, status: int) -> None:
        """Record how it ended."""
        self.returncode = status
        self._has_ended.set()

    async def wait(self) -> int:
        """Wait for its end; return its exit status."""
        await self._has_ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int, /) -> None:
        """Send it a signal; one that has ended gets none."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Forks:
    """The process that forks, started when the first is wanted, and all that it has forked."""

    current: ClassVar["Forks | None"] = None

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._running: dict[int, Forked] = {}
        self._wanted: deque[asyncio.Future[Forked]] = deque()

    async def fork(
        self, arguments: tuple[str, ...], folder: Path, environ: Mapping[str, str], files: Files
    ) -> Forked:
        """Have a process forked that runs `python -m` with these arguments."""
        loop = asyncio.get_running_loop()
        if self._socket is None:
            self._socket = self._start()
        if self._loop is not loop:  # a test may have one of its own, which is closed with it
            self._loop = loop
            loop.add_reader(self._socket, self._read, self._socket)
        order = {"arguments": arguments, "folder": str(folder), "environ": dict(environ)}
        wanted: asyncio.Future[Forked] = loop.create_future()
        self._wanted.append(wanted)
        socket.send_fds(self._socket, [json.dumps(order).encode()], files)
        return await wanted

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                tied_to_parent(sys.executable, "-m", "tests.forked", str(theirs.fileno())),
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        return ours

    def _read(self, ours: socket.socket) -> None:
        try:
            told = ours.recv(ORDER_MAX_BYTES)
        except ConnectionError:
            told = b""
        if not told:
            asyncio.get_running_loop().remove_reader(ours)
            for wanted in self._wanted:
                wanted.set_exception(RuntimeError("the process that forks has ended"))
            return
        pid, status = json.loads(told)
        if status is None:
            self._running[pid] = Forked(pid)
            self._wanted.popleft().set_result(self._running[pid])
        else:
            self._running.pop(pid).ended(status)

    def end(self) -> None:
        """End the process that forks, and with it all that it has forked."""
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()


@contextlib.contextmanager
def forking() -> Iterator[None]:
    """Have processes forked while the block lasts, where the system is known to do it well."""
    forks = Forks()
    Forks.current = forks if sys.platform == "linux" else None
    try:
        yield
    finally:
        Forks.current = None
        forks.end()


def serve(orders: socket.socket) -> None:
    """Fork for each order; return in what was forked, which then runs, and once all have ended."""
    for name in (*BESIDE, *own_modules()):
        importlib.import_module(name)
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


def own_modules() -> list[str]:
    """Return the names of all modules that are not there to be run."""
    found = (
        each.name
        for package in (bridge, workers)
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
    module, *rest = arguments
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
