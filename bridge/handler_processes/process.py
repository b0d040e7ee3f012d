"""One process of handlers: the runs in it, and what becomes of them when it ends."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Coroutine, Mapping
from typing import Any, BinaryIO

from bridge.configuration.python_processes import PythonProcess
from bridge.configuration.servers import Server
from bridge.ending import end
from bridge.errors import BridgeError, MalformedError
from bridge.formats.json_text import encode, off_loop, parse_json
from bridge.handler_processes.output import log_output
from bridge.handler_processes.requests import HandlerRequest
from bridge.handlers.channel import HandlerChannel, Head
from bridge.handlers.launching import command, environment_of
from bridge.handlers.statuses import signal_name
from bridge.n8n.outcomes import Answered, MaybeRun, Refused, RunOutcome, cut_words
from bridge.n8n.scrub import scrub, scrub_outcome, scrub_text

START_S = 120.0
"""How long its modules may take to be imported, and `startup` to run."""

END_S = 10.0
"""How long a handler that was cancelled may go on, and a process that was told to stop."""

DUMP_S = 1.0
"""How long a process that stood still has to say where."""

BEATS = 10
"""So many pings are left unanswered before it counts as standing still."""

logger = logging.getLogger(__name__)


class HandlerRun:
    """One run of a handler; `is_left` says that nobody waits for it any more."""

    def __init__(self, asked: HandlerRequest) -> None:
        self.asked = asked
        self.outcome: asyncio.Future[RunOutcome] = asyncio.get_running_loop().create_future()
        self.is_left = False
        self.amid: set[asyncio.Task[None]] = set()

    def end(self, outcome: RunOutcome) -> None:
        """Let who waits for it have the outcome, once."""
        for task in self.amid:
            task.cancel()
        if not self.outcome.done():
            self.outcome.set_result(outcome)


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
        self._runs: dict[int, HandlerRun] = {}
        self._numbers = itertools.count(1)
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
            self._kill()
            self._is_over = True
            ours.close()
            output.close()
            self._settle()

    async def _start(self, end: socket.socket, sink: int) -> Process:
        descriptor = str(end.fileno())
        memory = str(self._options.memory_bytes)
        return await asyncio.create_subprocess_exec(
            *command("serve", descriptor, str(os.getpid()), memory, self.server.name),
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
        about = {"server": self.server.name, "pid": process.pid}
        tasks = [
            asyncio.create_task(log_output(output, about, self._options.secrets)),
            asyncio.create_task(self._hear(channel)),
            asyncio.create_task(self._watch(channel)),
        ]
        try:
            await process.wait()
            self._kill()  # what it has started
            # What it said last, of its crash say, is in the pipes still.
            await asyncio.wait(tasks[:2], timeout=DUMP_S)
        finally:
            await end(*tasks)
            channel.close()

    async def run(self, asked: HandlerRequest, arguments: bytes) -> RunOutcome:
        """Run a handler with arguments as JSON, to its end, at the latest `timeout_s` from now.

        Cancelling this cancels the handler.
        """
        assert self._channel is not None, "called when it was ready"
        number, run = next(self._numbers), HandlerRun(asked)
        self._runs[number] = run
        head = {
            "call": number,
            "handler": asked.workflow.handler,
            "call_id": asked.call_id,
            "attempt": asked.attempt,
            "caller": asked.caller,
        }
        self._channel.write(head, arguments)
        try:
            async with asyncio.timeout(asked.timeout_s):
                outcome = await run.outcome
        except TimeoutError:
            return MaybeRun("the handler did not end in time")
        finally:
            self._leave(number)
        secrets = self._options.secrets
        return scrub_outcome(outcome, secrets) if secrets else outcome  # a long one takes time

    def _leave(self, number: int) -> None:
        """Have a run cancelled that nobody waits for any more."""
        run = self._runs.get(number)
        if run is None or self._channel is None:
            return
        run.is_left = True
        run.end(Refused("cancelled"))
        self._channel.write({"cancel": number})
        asyncio.get_running_loop().call_later(END_S, self._demand_end, number)

    def _demand_end(self, number: int) -> None:
        """Replace a process whose handler goes on though it was cancelled; others end in it."""
        if number in self._runs:
            asked = self._runs[number].asked
            said = {"server": self.server.name, "tool": asked.workflow.name}
            logger.warning("handler.not_cancelled", extra={**said, "call_id": asked.call_id})
            self.retire()

    def retire(self) -> None:
        """Take no more calls; end when those that run have ended."""
        self.worn.set()
        if self._channel:
            self._channel.write({"stop": True})
        self._end_in_time()

    def _end_in_time(self) -> None:
        """End a worn process in which nobody waits for anything, if it does not end by itself."""
        if self.worn.is_set() and all(run.is_left for run in self._runs.values()):
            asyncio.get_running_loop().call_later(END_S, self.kill, "did not end when told to")

    def kill(self, why: str) -> None:
        """End it at once."""
        self._why = self._why or why
        self._kill()

    def _kill(self) -> None:
        if self._process and not self._is_over:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _watch(self, channel: HandlerChannel) -> None:
        """End it where its event loop does not go on.

        Pings are counted, not seconds: a worker that was itself stopped and goes on blames nobody.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await asyncio.shield(self.started)
        if not self.started.done():
            self.kill(f"was not ready within {START_S:g} s")
            return
        while self._unanswered < BEATS:
            self._unanswered += 1
            channel.write({"ping": True})
            await asyncio.sleep(self._options.stall_s / BEATS)
        self._why = f"was ended: its event loop stood still for {self._options.stall_s:g} s"
        assert self._process is not None, "it lives"
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGABRT)  # has it say on stderr where
        await asyncio.sleep(DUMP_S)
        self._kill()

    async def _hear(self, channel: HandlerChannel) -> None:
        try:
            async for head, body in channel.messages():
                self._unanswered = 0
                await self._receive(head, body)
        except Exception:  # noqa: BLE001 - it may have sent anything
            self.kill("was ended: it sent what is no message")

    async def _receive(self, head: Head, body: bytes) -> None:
        match head:
            case {"ready": _} if not self.started.done():
                self.started.set_result(None)
            case {"fault": str(fault)}:
                self._why = cut_words(scrub_text(fault, self._options.secrets))
            case {"end": int(number)} if number in self._runs:
                run = self._runs[number]
                run.end(await self._outcome(run.asked, head, body))
                self._runs.pop(number, None)
                self._end_in_time()
            case {"progress": int(number)} if number in self._runs:
                run = self._runs[number]
                message = scrub_text(str(head["message"]), self._options.secrets)
                self._do_amid(run, run.asked.amid.report(float(head["share"]), message))
            case {"ask": int(question), "of": int(number)} if number in self._runs:
                run = self._runs[number]
                self._do_amid(run, self._ask(run, question, str(head["hook"]), body))

    async def _outcome(self, asked: HandlerRequest, head: Head, body: bytes) -> RunOutcome:
        """Return what the end of a run means."""
        if "raised" in head:
            about = {"server": asked.server, "tool": asked.workflow.name, "call_id": asked.call_id}
            told = scrub_text(str(head["traceback"]), self._options.secrets)
            logger.error("handler.raised", extra={**about, "traceback": told})
            return _raised(str(head["raised"]), str(head["words"]))
        if "bytes" in head:
            try:
                return Answered(await off_loop(len(body), lambda: parse_json(body)))
            except MalformedError as error:
                return Refused(f"the handler returned what is no JSON: {error}")
        return Refused(cut_words(str(head.get("failure", ""))) or "the handler gave no reason")

    def _do_amid(self, run: HandlerRun, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        run.amid.add(task)
        task.add_done_callback(run.amid.discard)

    async def _ask(self, run: HandlerRun, question: int, hook: str, body: bytes) -> None:
        assert self._channel is not None, "it was asked over it"
        try:
            secrets = self._options.secrets
            payload = await off_loop(len(body), lambda: scrub(parse_json(body), secrets))
            value = await run.asked.amid.ask(hook, payload)
        except BridgeError as error:
            self._channel.write({"reply": question, "failure": str(error)})
        else:
            self._channel.write({"reply": question}, encode(value))

    @property
    def reason(self) -> str:
        """Why it ended, as the rest of a sentence whose subject it is."""
        status = self._process.returncode if self._process else None
        return self._why or ("takes no more calls" if status is None else _ended_by(status))

    def _settle(self) -> None:
        """Let everybody who waits for it know that it has ended."""
        if not self.started.done():
            self.started.set_result(self.reason)
        for run in self._runs.values():
            run.end(MaybeRun(f"the process that ran the handler {self.reason}; it may have run"))
        self._runs.clear()


def _raised(name: str, words: str) -> Refused:
    if name == MemoryError.__name__:
        return Refused("the handler needs more memory than `python.memory` of its server allows")
    return Refused(f"the handler raised {name}", words)


def _ended_by(status: int) -> str:
    if status >= 0:
        return f"ended by itself, with status {status}"
    name = signal_name(status)
    return f"was killed ({name}), as when memory runs out" if status == -9 else f"crashed ({name})"
