"""The processes of handlers of a worker: one for each server that has any."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.configuration.servers import Server
from bridge.handler_processes.requests import HandlerRequest
from bridge.n8n.outcomes import NotRun, RunOutcome

if TYPE_CHECKING:
    from bridge.handler_processes.keeping import KeptProcess

CLOSE_S = 5.0
"""How long processes may take to end when their worker does."""


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
                # Loaded for those that have any: most servers have none.
                from bridge.handler_processes.keeping import KeptProcess

                self._kept[name] = KeptProcess(server, self._environ)

    async def run(self, asked: HandlerRequest, arguments: bytes) -> RunOutcome | None:
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
