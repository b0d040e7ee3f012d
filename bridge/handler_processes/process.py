"""One process of handlers: started, watched, and ended with all that it has started."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Mapping
from typing import BinaryIO

from bridge.configuration.python_processes import PythonProcess
from bridge.configuration.servers import Server
from bridge.ending import end
from bridge.handler_processes.output import log_output
from bridge.handler_processes.pace import Pace
from bridge.handler_processes.requests import HandlerRequest
from bridge.handler_processes.runs import HandlerRuns
from bridge.handlers.channel import HandlerChannel
from bridge.handlers.launching import command, environment_of
from bridge.handlers.statuses import signal_name
from bridge.n8n.outcomes import RunOutcome, cut_words
from bridge.n8n.scrub import scrub_text

START_S = 120.0
"""How long its modules may take to be imported, and `startup` to run."""

END_S = 10.0
"""How long a process that was told to stop may take."""

DUMP_S = 1.0
"""How long a process that stood still has to say where."""

SWEEP_S = 5.0
"""How long it may take to end all that it has started."""

KILLED_S = 1.0
"""How long the system may take to tell of the end of what was killed."""

BEATS = 10
"""So many pings are left unanswered before it counts as standing still."""

MESSAGES_PER_S = 5000.0
"""Many times what a sound one sends; who sends without end is slowed, not the worker."""

MESSAGE_BYTES = 16 * 1024
"""A message that is longer counts as several."""

logger = logging.getLogger(__name__)


class HandlerProcess:
    """A process that runs the handlers of one server.

    `started` is done when it is ready, or with the reason why it never was; `worn` is set when it
    takes no more calls, which is when it is to be replaced.
    """

    def __init__(self, server: Server, environ: Mapping[str, str]) -> None:
        assert server.python is not None, "read from a file with handlers"
        self.server = server
        self._options: PythonProcess = server.python
        self._environ = environ
        self.started: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.worn = asyncio.Event()
        self._process: Process | None = None
        self._channel: HandlerChannel | None = None
        self._runs = HandlerRuns(server, self._end_in_time, self.retire)
        self._unanswered = 0
        self._why = ""
        self._is_over = False

    @property
    def is_ready(self) -> bool:
        """Report whether it takes calls now."""
        return self.started.done() and self.started.result() is None and not self.worn.is_set()

    async def live(self) -> None:
        """Start it, and serve those who call it until it has ended with all that it started."""
        ours, theirs = socket.socketpair()
        source, sink = os.pipe()
        output = os.fdopen(source, "rb")
        try:
            with theirs, os.fdopen(sink, "wb"):
                self._process = await self._start(theirs, sink)
            self._channel = await HandlerChannel.over(ours)
            await self._serve(self._process, self._channel, output)
        except OSError as error:
            self._why = f"could not be started: {error.strerror}"
        except Exception:
            logger.exception("handlers.failed", extra={"server": self.server.name})
        finally:
            self.worn.set()
            ours.close()
            await self._end()
            self._is_over = True
            output.close()
            self._settle()

    async def _start(self, end: socket.socket, sink: int) -> Process:
        descriptor, memory = str(end.fileno()), str(self._options.memory_bytes)
        return await asyncio.create_subprocess_exec(
            *command("serve", descriptor, memory, self.server.name),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=self._options.folder,
            env=environment_of(self._environ, self._options.variables),
            pass_fds=[end.fileno()],
            start_new_session=True,  # its own group, which ends as one
        )

    async def _serve(self, process: Process, channel: HandlerChannel, output: BinaryIO) -> None:
        channel.write(
            {
                "folder": str(self._options.folder),
                "handlers": self.server.handlers,
                "startup": self._options.startup,
                "shutdown": self._options.shutdown,
            }
        )
        if self.worn.is_set():  # retired before there was anything to tell it by
            self.retire()
        about = {"server": self.server.name, "pid": process.pid}
        tasks = [
            asyncio.create_task(log_output(output, about, self._options.secrets)),
            asyncio.create_task(self._hear(channel)),
            asyncio.create_task(self._watch(process, channel)),
        ]
        try:
            await process.wait()
            # What it said last, of its crash say, is in the pipes still.
            await asyncio.wait(tasks[:2], timeout=DUMP_S)
        finally:
            await end(*tasks)
            channel.abort()

    async def run(self, asked: HandlerRequest, arguments: bytes) -> RunOutcome:
        """Run a handler with arguments as JSON, to its end, at the latest `timeout_s` from now.

        Cancelling this cancels the handler.
        """
        assert self._channel is not None, "called when it was ready"
        return await self._runs.run(self._channel, asked, arguments)

    def retire(self) -> None:
        """Take no more calls; end when those that run have ended, or nobody waits for them."""
        self.worn.set()
        if self._channel:
            self._channel.write({"stop": True})
        self._end_in_time()

    def _end_in_time(self) -> None:
        """End a worn process in which nobody waits for anything, if it does not end by itself."""
        if self.worn.is_set() and self._runs.are_left:
            asyncio.get_running_loop().call_later(END_S, self.kill, "did not end when told to")

    def kill(self, why: str) -> None:
        """End it at once, and all that it has started."""
        self._why = self._why or why
        self.worn.set()
        if self._channel:
            self._channel.abort()  # which its guard sees
        asyncio.get_running_loop().call_later(SWEEP_S, self._kill_group)

    async def _end(self) -> None:
        """Wait for its end, which comes when our end of the channel is closed, cancelled or not."""
        if self._process is None:
            return
        ended = asyncio.create_task(self._process.wait())
        await _wait_even_if_cancelled(ended, SWEEP_S)
        self._kill_group()
        await _wait_even_if_cancelled(ended, KILLED_S)

    def _kill_group(self) -> None:
        """End what is left of it where its guard was hindered."""
        if self._process and not self._is_over:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _watch(self, process: Process, channel: HandlerChannel) -> None:
        """End it where its event loop does not go on.

        Pings are counted, not seconds: a worker that was itself stopped and goes on blames nobody.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await asyncio.shield(self.started)
        if not self.started.done():
            self._why = f"was not ready within {START_S:g} s"
        else:
            while self._unanswered < BEATS:
                self._unanswered += 1
                channel.write({"ping": True})
                await asyncio.sleep(self._options.stall_s / BEATS)
            self._why = f"was ended: its event loop stood still for {self._options.stall_s:g} s"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGABRT)  # has it say on stderr where
        await asyncio.sleep(DUMP_S)
        self.kill(self._why)

    async def _hear(self, channel: HandlerChannel) -> None:
        pace = Pace(MESSAGES_PER_S)
        try:
            async for head, body in channel.messages():
                self._unanswered = 0
                match head:
                    case {"ready": _} if not self.started.done():
                        self.started.set_result(None)
                    case {"fault": str(fault)}:
                        self._why = cut_words(scrub_text(fault, self._options.secrets))
                    case _:
                        await self._runs.receive(channel, head, body)
                await pace.spend(1 + len(body) // MESSAGE_BYTES)
        except Exception:  # noqa: BLE001 - it may have sent anything
            self.kill("was ended: it sent what is no message")

    @property
    def reason(self) -> str:
        """Why it ended, as the rest of a sentence whose subject it is."""
        status = self._process.returncode if self._process else None
        return self._why or ("takes no more calls" if status is None else _ended_by(status))

    def _settle(self) -> None:
        """Let everybody who waits for it know that it has ended."""
        if not self.started.done():
            self.started.set_result(self.reason)
        self._runs.end(self.reason)


def _ended_by(status: int) -> str:
    if status >= 0:
        return f"ended by itself, with status {status}"
    name = signal_name(status)
    return f"was killed ({name}), as when memory runs out" if status == -9 else f"crashed ({name})"


async def _wait_even_if_cancelled(task: asyncio.Task[int], within_s: float) -> None:
    now = asyncio.get_running_loop().time
    until = now() + within_s
    while not task.done() and now() < until:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=until - now())
