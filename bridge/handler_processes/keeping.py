"""The process of one server, started anew whenever it ends."""

import asyncio
import logging
import random
from collections.abc import Mapping

from bridge.backoff import delay_before
from bridge.configuration.servers import Server
from bridge.ending import end
from bridge.handler_processes.process import HandlerProcess

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
STEADY_AFTER_S = 30.0

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
