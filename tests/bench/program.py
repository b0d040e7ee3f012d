"""A program that runs beside the bench, its words in a file."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.local.die_with_parent import tied_to_parent

ROOT = Path(__file__).parents[2]
READY_S = 30.0
POLL_S = 0.02
END_S = 15.0
LAST_WORDS = 2000


@dataclass(frozen=True)
class Program:
    """A Python module that runs as a process of its own; `port` is where it listens, if it does."""

    pid: int
    port: int


@contextlib.asynccontextmanager
async def running(
    *command: str,
    environ: Mapping[str, str],
    log: Path,
    port: int = 0,
    python: Path = Path(sys.executable),
) -> AsyncIterator[Program]:
    """Run `python -m COMMAND` with no `BRIDGE_*` but those given, from when it listens on `port`.

    Raises:
        RuntimeError: it ended, or did not listen in time; with its last words.
    """
    inherited = {name: value for name, value in os.environ.items() if "BRIDGE_" not in name}
    with log.open("ab") as words:
        process = await asyncio.create_subprocess_exec(
            *tied_to_parent(str(python), "-m", *command),
            cwd=ROOT,
            env={**inherited, **environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=words,
            stderr=words,
        )
    try:
        if port:
            await _listening(process, port, log)
        yield Program(process.pid, port)
    finally:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_S)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    until = asyncio.get_running_loop().time() + READY_S
    while process.returncode is None and asyncio.get_running_loop().time() < until:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(POLL_S)
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise RuntimeError(f"nothing listens on {port}: {log.read_text()[-LAST_WORDS:]}")
