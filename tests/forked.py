"""Processes of the bridge that are forked from one that has loaded it.

To load all of it takes more than a second, longer than most tests need a process for. So while
tests run, one process for each tree of code loads it once and forks for each that is wanted
(`fork_server.py`). What is forked has an id, an environment, a folder and open files of its own,
runs `python -m …` from there on, and never outlives the tests; it can be killed, frozen and waited
for as any other.

On purpose:
1. What somebody measures or torments by hand (`make bench`, `make chaos`) is started as users do.
2. So is `up`, which starts its own children.
3. RQ reads the prefix of its keys while it is loaded, so a process with one cannot be forked.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from bridge.local.die_with_parent import tied_to_parent
from tests import fork_server

ROOT = Path(__file__).parent.parent

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
    *arguments: str,
    folder: Path,
    environ: Mapping[str, str],
    files: Files,
    prefix: Sequence[str] = (),
) -> Process:
    """Run `python -m` with these arguments: forked while tests run, else started.

    The code is that of this tree, unless the environment names another (`PYTHONPATH`). A command
    that becomes another one may come before it; then it is not forked.
    """
    tree = Path(environ.get("PYTHONPATH", ROOT))
    is_of_the_fork = tree.is_dir() and "RQ_KEY_PREFIX" not in environ and not prefix
    if Forks.current is not None and is_of_the_fork:
        forks = Forks.current.setdefault(tree, Forks(tree))
        return await forks.fork(arguments, folder, environ, files)
    stdin, stdout, stderr = files
    return await asyncio.create_subprocess_exec(
        *tied_to_parent(*prefix, sys.executable, "-m", *arguments),
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


def end_at_last(process: Process) -> None:
    """End a process that a test is done with; one that is measured says first what it has run."""
    if not fork_server.IS_MEASURED:
        process.kill()
    elif isinstance(process, Forked):
        process.send_signal(fork_server.SAVE_AND_END)
        process.send_signal(signal.SIGCONT)  # to one that a test has frozen
    else:
        process.terminate()


class Forks:
    """The process that forks for a tree, started for its first order, and all that are forked."""

    current: ClassVar["dict[Path, Forks] | None"] = None
    """By their trees, while processes are forked."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
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
                # -P: the modules beside the file are no top-level ones.
                tied_to_parent(
                    *(sys.executable, "-P", fork_server.__file__, str(theirs.fileno())),
                ),
                cwd=self._tree,
                env={**os.environ, "PYTHONPATH": str(self._tree)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        return ours

    def _read(self, ours: socket.socket) -> None:
        try:
            told = ours.recv(fork_server.ORDER_MAX_BYTES)
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
    started: dict[Path, Forks] = {}
    Forks.current = started if sys.platform == "linux" else None
    try:
        yield
    finally:
        Forks.current = None
        for forks in started.values():
            forks.end()
