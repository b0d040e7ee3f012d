"""Commands of the bridge as real processes, and what the system knows about a process."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.forked import Process, end_at_last, start_python

ROOT = Path(__file__).parent.parent
OF_THE_TREE = (sys.executable, "-m", "bridge")
AS_STARTED = (sys.executable, "-P", "-m", "bridge")
"""The same as users start it: never forked, and measured with all that it loads."""


@dataclass
class Running:
    """A command that runs; `said` grows with what it prints to stdout, and to stderr."""

    process: Process
    said: list[str] = field(default_factory=list)

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return "".join(self.said)

    def has_said(self, text: str) -> bool:
        """Report whether it has printed a text."""
        return text in self.output

    async def ended(self) -> int:
        """Wait for its end; returns its exit status."""
        return await self.process.wait()


@contextlib.asynccontextmanager
async def running(
    *command: str,
    environ: Mapping[str, str],
    folder: Path = ROOT,
    program: tuple[str, ...] = OF_THE_TREE,
) -> AsyncIterator[Running]:
    """Run `n8n-bridge COMMAND` in a folder, with no `BRIDGE_*` but those given; kill it at last.

    `program` is another than the one of this tree.
    """
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "wb"):
        process = await _start(program, command, environ, folder, theirs)
    command_running = Running(process)
    listener = asyncio.create_task(listen(command_running, ours))
    try:
        yield command_running
    finally:
        if process.returncode is None:
            end_at_last(process)
        await process.wait()
        await listener


async def _start(
    program: tuple[str, ...],
    command: tuple[str, ...],
    environ: Mapping[str, str],
    folder: Path,
    output: int,
) -> Process:
    inherited = {name: value for name, value in os.environ.items() if "BRIDGE_" not in name}
    of_the_tree = {**inherited, "PYTHONPATH": str(ROOT), **environ}
    with Path(os.devnull).open("rb") as nothing:
        files = (nothing.fileno(), output, output)
        if program == OF_THE_TREE and command[0] != "up":
            return await start_python(
                "bridge", *command, folder=folder, environ=of_the_tree, files=files
            )
        stdin, stdout, stderr = files
        return await asyncio.create_subprocess_exec(
            *program,
            *command,
            cwd=folder,
            env=of_the_tree if program == OF_THE_TREE else {**inherited, **environ},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )


async def listen(command: Running, output: int) -> None:
    """Collect what a command says until it, and every child of it, has closed its output."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb")
    )
    async for line in reader:
        command.said.append(line.decode())


async def run(
    *command: str,
    environ: Mapping[str, str],
    folder: Path = ROOT,
    program: tuple[str, ...] = OF_THE_TREE,
) -> tuple[int, str]:
    """Run a command to its end; returns its exit status and all that it printed."""
    async with running(*command, environ=environ, folder=folder, program=program) as ran:
        status = await ran.ended()
    return status, ran.output


def children_of(pid: int) -> dict[str, int]:
    """Return the living children of a process: the last argument that is no option -> its id."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
            if int(parent) == pid and state != "Z":
                words = (stat.parent / "cmdline").read_text().replace("\0", " ").split()
                found[name_of(words)] = int(stat.parent.name)
    return found


def name_of(words: list[str]) -> str:
    """Name a child as `up` does."""
    return words[words.index("bridge") + 1] if "bridge" in words else "valkey"


def waited_s(*pids: int) -> float:
    """Return how long processes have waited for a core that others had; 0 where nothing tells."""
    try:
        files = [Path(f"/proc/{pid}/schedstat").read_text() for pid in pids]
    except FileNotFoundError:
        return 0
    return sum(int(file.split()[1]) for file in files) / 1e9


def is_gone(pid: int) -> bool:
    """Report whether a process has ended; one that nobody has reaped yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
