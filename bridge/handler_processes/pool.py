"""The processes of handlers of a worker: one for each server that has any."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from bridge.backoff import delay_before
from bridge.configuration.servers import Server
from bridge.ending import end
from bridge.handler_processes.process import HandlerProcess
from bridge.handler_processes.requests import HandlerRequest
from bridge.n8n.outcomes import NotRun, WebhookOutcome

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
STEADY_AFTER_S = 30.0
CLOSE_S = 5.0
"""How long processes may take to end when their worker does."""

logger = logging.getLogger(__name__)


class KeptProcess:
    """The process of one server, started anew whenever it ends."""

    def __init__(self, server: Server, environ: Mapping[str, str]) -> None:
        self.server = server
        self.current = HandlerProcess(server, environ)
        self._environ = environ
        self._living: set[asyncio.Task[None]] = set()
        self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        ends = 0
        now = asyncio.get_running_loop().time
        while True:
            began_at = now()
            living = asyncio.create_task(self.current.live())
            self._living.add(living)
            living.add_done_callback(self._living.discard)
            await self.current.worn.wait()
            ends = 1 if now() - began_at >= STEADY_AFTER_S else ends + 1
            delay_s = delay_before(ends + 1, FIRST_DELAY_S, LONGEST_DELAY_S, random.random())
            said = {"server": self.server.name, "reason": self.current.reason, "delay_s": delay_s}
            logger.warning("handlers.ended", extra=said)
            await asyncio.sleep(delay_s)
            self.current = HandlerProcess(self.server, self._environ)

    @property
    def is_living(self) -> bool:
        """Report whether anything that was started has not ended."""
        return bool(self._living)

    def retire(self) -> None:
        """Let what runs end in it, and start no other."""
        self._keeping.cancel()
        self.current.retire()

    async def ended(self, within_s: float | None = None) -> None:
        """Wait until all that was started has ended; what has not in time is killed."""
        await end(self._keeping)
        if self._living:
            await asyncio.wait(self._living, timeout=within_s)
        await end(*self._living)


class HandlerProcesses:
    """Runs the handlers of the servers that a worker serves."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._kept: dict[str, KeptProcess] = {}
        self._retired: set[KeptProcess] = set()

    @contextlib.asynccontextmanager
    async def running(self, servers: Mapping[str, Server]) -> AsyncIterator[None]:
        """Keep a process for each server that has handlers while the block lasts."""
        self.replace(servers)
        try:
            yield
        finally:
            self.replace({})
            await asyncio.gather(*(each.ended(CLOSE_S) for each in self._retired))

    def replace(self, servers: Mapping[str, Server]) -> None:
        """Serve these from now on: one that has changed gets a new process; runs end in the old."""
        for name, kept in list(self._kept.items()):
            if servers.get(name) is not kept.server:
                del self._kept[name]
                kept.retire()
                self._retired = {each for each in self._retired if each.is_living} | {kept}
        for name, server in servers.items():
            if server.handlers and name not in self._kept:
                self._kept[name] = KeptProcess(server, self._environ)

    async def run(self, asked: HandlerRequest, arguments: bytes) -> WebhookOutcome | None:
        """Make one attempt to run a handler; None where it may not be started.

        Cancelling this cancels the handler.
        """
        now = asyncio.get_running_loop().time
        until = now() + asked.timeout_s
        kept = self._kept.get(asked.server)
        if kept is None:
            return NotRun(f"this worker serves no handlers of {asked.server} yet")
        process = kept.current
        try:
            async with asyncio.timeout_at(until):
                fault = await asyncio.shield(process.started)
        except TimeoutError:
            return NotRun("the handlers' process is not ready yet")
        if not process.is_ready:
            return NotRun(f"the handlers' process is started anew: {fault or 'it has ended'}")
        if not await asked.mark_sent():
            return None
        if not process.is_ready:
            return NotRun("the handlers' process is started anew: it has ended")
        return await process.run(replace(asked, timeout_s=until - now()), arguments)
