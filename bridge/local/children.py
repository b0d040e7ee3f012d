"""The supervisor's children: started, started again whenever they end, and stopped in order."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.backoff import delay_before
from bridge.errors import ConfigurationError
from bridge.local.die_with_parent import tied_to_parent

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
EVEN = 0.5  # no jitter: nobody else starts with us
STEADY_AFTER_S = 30.0
END_S = 5.0
OVERTIME_S = 2.0  # a child keeps its own time for draining; this is for when it fails to

logger = logging.getLogger(__name__)


class Process(Protocol):
    """Something that runs until it ends, and can be started again."""

    name: str

    async def start(self) -> None:
        """Start it."""

    async def wait(self) -> int:
        """Wait until it has ended; returns its exit status."""

    async def stop(self) -> None:
        """Have it finish what it holds, then end it."""


@dataclass(frozen=True)
class Surroundings:
    """Where a child runs: the folder whose `.env` it reads, the log that its stderr is added to.

    Without them it has those of this process. It gets open `files`, by their numbers.
    """

    folder: Path | None = None
    log: Path | None = None
    files: tuple[int, ...] = ()


AS_HERE = Surroundings()


class Child:
    """One `n8n-bridge COMMAND` as a process of its own that never outlives this one."""

    def __init__(
        self,
        command: tuple[str, ...],
        environ: Mapping[str, str],
        drain_s: float,
        surroundings: Surroundings = AS_HERE,
    ) -> None:
        self.name = command[0]
        self._command = command
        self._environ = environ
        self._drain_s = drain_s
        self._surroundings = surroundings
        self._process: asyncio.subprocess.Process | None = None
        self._replacing = asyncio.Lock()

    async def start(self) -> None:
        """Start it, unless it runs; whether it is ready is for the caller to ask."""
        if self._is_running:
            return
        where = self._surroundings
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(where.log.open("ab")) if where.log else None
            self._process = await asyncio.create_subprocess_exec(
                # -P keeps the folder it is started in off sys.path, where any mcp.py would be run.
                *tied_to_parent(sys.executable, "-P", "-m", "bridge", *self._command),
                env=self._environ,
                cwd=where.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stderr=log,
                pass_fds=where.files,
                start_new_session=True,  # a Ctrl-C in the terminal is the supervisor's to act on
            )

    async def wait(self) -> int:
        """Wait until it has ended; returns its exit status, minus the signal's number if killed.

        That it is replaced is no end.
        """
        while True:
            process = self._process
            status = await process.wait() if process else 0
            async with self._replacing:
                if self._process is process:
                    return status

    @property
    def _is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def reload(self) -> None:
        """Have it read its server files anew, if it runs."""
        if self._process is not None and self._is_running:
            self._process.send_signal(signal.SIGHUP)

    async def replace(self) -> None:
        """Have it drain, and start it again, on the code as it is now."""
        async with self._replacing:
            await self.stop()
            await self.start()

    async def stop(self) -> None:
        """Ask it to drain, and kill it when its time is over."""
        if self._process is None or not self._is_running:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), self._drain_s + OVERTIME_S)
        except TimeoutError:
            logger.warning("child.killed", extra={"child": self.name, "drain_s": self._drain_s})
            self._process.kill()
            await self._process.wait()


async def keep(process: Process) -> None:
    """Start a running process again each time it ends, after a growing delay; never returns."""
    clock = asyncio.get_running_loop().time
    started_at, ends = clock(), 0
    while True:
        status = await process.wait()
        ends = 1 if clock() - started_at >= STEADY_AFTER_S else ends + 1
        delay_s = delay_before(ends + 1, FIRST_DELAY_S, LONGEST_DELAY_S, EVEN)
        logger.warning(
            "child.ended", extra={"child": process.name, "status": status, "delay_s": delay_s}
        )
        await asyncio.sleep(delay_s)
        started_at = clock()
        try:
            await process.start()
        except ConfigurationError:
            logger.exception("child.not_started", extra={"child": process.name})


async def end_process(process: asyncio.subprocess.Process) -> None:
    """Have a process end, and kill it if it does not."""
    if process.returncode is None:
        # Its terminate() looks first whether it has ended, and takes the status from the loop so.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            process.kill()
            await process.wait()
