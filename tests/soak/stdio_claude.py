"""A client of `n8n-bridge stdio` with several requests under way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from tests.chaos.asking import PATIENCE_S, Ask, Claude, DroppedError, SilentError
from tests.chaos.server_file import SERVER
from tests.doors.by_hand import Message
from tests.stdio_program import META, StartedProgram, stdio_program


@dataclass
class StdioClaude(Claude):
    """Starts the program once, and is answered in whatever order answers come."""

    program: StartedProgram
    _waiting: "dict[int, asyncio.Future[Message]]" = field(default_factory=dict)

    @override
    async def ask(self, ask: Ask) -> Message:
        request_id = self.program.call(ask.tool, **ask.arguments)
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(answer, PATIENCE_S)
        except TimeoutError:
            raise SilentError from None
        finally:
            del self._waiting[request_id]

    async def listen(self) -> None:
        """Hand out answers until the program ends, and say so to whoever waits then."""
        while (frame := await self.program.hear()) is not None:
            self.program.heard.clear()
            answer = self._waiting.get(frame.get("id", 0)) if "method" not in frame else None
            if answer is not None and not answer.done():
                answer.set_result(frame)
        for answer in self._waiting.values():
            answer.set_exception(DroppedError("the program has ended"))


@contextlib.asynccontextmanager
async def stdio_claude(
    environ: Mapping[str, str], log: Path, *, is_modern: bool
) -> AsyncIterator[StdioClaude]:
    """Start the program for as long as the block lasts."""
    envelope = META if is_modern else None
    async with stdio_program(environ, envelope=envelope, log=log, server=SERVER) as program:
        if not is_modern:
            await program.shake_hands()
        claude = StdioClaude(program)
        listening = asyncio.create_task(claude.listen())
        try:
            yield claude
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
