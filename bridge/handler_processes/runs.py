"""The runs of handlers in one process: begun, followed and ended by messages."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from bridge.configuration.servers import Server
from bridge.errors import BridgeError, MalformedError
from bridge.formats.json_text import encode, off_loop, parse_json
from bridge.handler_processes.pace import Pace
from bridge.handler_processes.requests import HandlerRequest
from bridge.handlers.channel import HandlerChannel, Head
from bridge.n8n.outcomes import Answered, MaybeRun, Refused, RunOutcome, cut_words
from bridge.n8n.scrub import scrub, scrub_outcome, scrub_text

END_S = 10.0
"""How long a handler that was cancelled may go on."""

REPORT_EVERY_S = 0.1
"""How often progress is put on record, however often a process tells of it."""

QUESTIONS_MAX = 100
"""So many questions of one run may be open at once; each MiB of them counts as one more."""

QUESTIONS_PER_S = 20.0
"""How fast one process may have questions put on record, each of which is an event."""

logger = logging.getLogger(__name__)


class HandlerRun:
    """One run of a handler; `is_left` says that nobody waits for it any more."""

    def __init__(self, asked: HandlerRequest) -> None:
        self.asked = asked
        self.outcome: asyncio.Future[RunOutcome] = asyncio.get_running_loop().create_future()
        self.is_left = False
        self.questions_open = 0
        self._amid: set[asyncio.Task[None]] = set()
        self._newest: tuple[float, str] | None = None
        self._is_reporting = False

    def end(self, outcome: RunOutcome) -> None:
        """Let who waits for it have the outcome, once."""
        for task in self._amid:
            task.cancel()
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def do_amid(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something until the run ends, at the latest."""
        task = asyncio.create_task(work)
        self._amid.add(task)
        task.add_done_callback(self._amid.discard)

    def report(self, share: float, message: str) -> None:
        """Have progress put on record; of what comes faster than that the newest counts."""
        self._newest = share, message
        if not self._is_reporting:
            self._is_reporting = True
            self.do_amid(self._report())

    async def _report(self) -> None:
        while self._newest:
            newest, self._newest = self._newest, None
            await self.asked.amid.report(*newest)
            await asyncio.sleep(REPORT_EVERY_S)
        self._is_reporting = False


class HandlerRuns:
    """The runs in one process.

    `on_end` is called whenever one has ended, `on_insisting` when one goes on though it was
    cancelled.
    """

    def __init__(
        self, server: Server, on_end: Callable[[], None], on_insisting: Callable[[], None]
    ) -> None:
        assert server.python is not None, "read from a file with handlers"
        self.server = server
        self._secrets = server.python.secrets
        self._on_end = on_end
        self._on_insisting = on_insisting
        self._runs: dict[int, HandlerRun] = {}
        self._numbers = itertools.count(1)
        self._asking = Pace(QUESTIONS_PER_S)

    @property
    def are_left(self) -> bool:
        """Report whether nobody waits for any of them."""
        return all(run.is_left for run in self._runs.values())

    async def run(
        self, channel: HandlerChannel, asked: HandlerRequest, arguments: bytes
    ) -> RunOutcome:
        """Run a handler with arguments as JSON, to its end, at the latest `timeout_s` from now.

        Cancelling this cancels the handler.
        """
        number, run = next(self._numbers), HandlerRun(asked)
        self._runs[number] = run
        head = {
            "call": number,
            "handler": asked.workflow.handler,
            "call_id": asked.call_id,
            "attempt": asked.attempt,
            "caller": asked.caller,
        }
        channel.write(head, arguments)
        try:
            async with asyncio.timeout(asked.timeout_s):
                outcome = await run.outcome
        except TimeoutError:
            return MaybeRun("the handler did not end in time")
        finally:
            self._leave(number, channel)
        # A long one takes time.
        return scrub_outcome(outcome, self._secrets) if self._secrets else outcome

    def _leave(self, number: int, channel: HandlerChannel) -> None:
        """Have a run cancelled that nobody waits for any more."""
        run = self._runs.get(number)
        if run is None:
            return
        run.is_left = True
        run.end(Refused("cancelled"))
        channel.write({"cancel": number})
        asyncio.get_running_loop().call_later(END_S, self._demand_end, number)

    def _demand_end(self, number: int) -> None:
        if number in self._runs:
            asked = self._runs[number].asked
            said = {"server": self.server.name, "tool": asked.workflow.name}
            logger.warning("handler.not_cancelled", extra={**said, "call_id": asked.call_id})
            self._on_insisting()

    async def receive(self, channel: HandlerChannel, head: Head, body: bytes) -> None:
        """Take what the process says of a run; nothing of one that has ended."""
        match head:
            case {"end": int(number)} if number in self._runs:
                run = self._runs[number]
                run.end(await self._outcome(run.asked, head, body))
                self._runs.pop(number, None)
                self._on_end()
            case {"progress": int(number)} if number in self._runs:
                message = scrub_text(str(head["message"]), self._secrets)
                self._runs[number].report(float(head["share"]), message)
            case {"ask": int(question), "of": int(number)} if number in self._runs:
                run = self._runs[number]
                if run.questions_open < QUESTIONS_MAX:
                    run.questions_open += _weight(body)
                    run.do_amid(self._ask(channel, run, question, str(head["hook"]), body))
                else:
                    said = f"{QUESTIONS_MAX} questions of the call are open: await some of them"
                    await channel.send({"reply": question, "failure": said})

    async def _outcome(self, asked: HandlerRequest, head: Head, body: bytes) -> RunOutcome:
        """Return what the end of a run means."""
        if "raised" in head:
            about = {"server": asked.server, "tool": asked.workflow.name, "call_id": asked.call_id}
            told = scrub_text(str(head["traceback"]), self._secrets)
            logger.error("handler.raised", extra={**about, "traceback": told})
            return _raised(str(head["raised"]), str(head["words"]))
        if "bytes" in head:
            try:
                return Answered(await off_loop(len(body), lambda: parse_json(body)))
            except MalformedError as error:
                return Refused(f"the handler returned what is no JSON: {error}")
        return Refused(cut_words(str(head.get("failure", ""))) or "the handler gave no reason")

    async def _ask(
        self, channel: HandlerChannel, run: HandlerRun, question: int, hook: str, body: bytes
    ) -> None:
        try:
            await self._asking.spend(1)
            payload = await off_loop(len(body), lambda: scrub(parse_json(body), self._secrets))
            value = await run.asked.amid.ask(hook, payload)
        except BridgeError as error:
            channel.write({"reply": question, "failure": str(error)})
        else:
            channel.write({"reply": question}, encode(value))
        finally:
            run.questions_open -= _weight(body)

    def end(self, why: str) -> None:
        """Let everybody who waits for one know that its process has ended."""
        for run in self._runs.values():
            run.end(MaybeRun(f"the process that ran the handler {why}; it may have run"))
        self._runs.clear()


def _weight(body: bytes) -> int:
    return 1 + len(body) // 1024**2


def _raised(name: str, words: str) -> Refused:
    if name == MemoryError.__name__:
        return Refused("the handler needs more memory than `python.memory` of its server allows")
    return Refused(f"the handler raised {name}", words)
