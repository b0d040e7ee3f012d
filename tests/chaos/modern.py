"""A client of the 2026 wire: when the answer does not come, it has nothing to go back to."""

import asyncio
import contextlib
from dataclasses import dataclass

import httpx2
from typing_extensions import override

from tests.bridge_processes import TOKEN
from tests.chaos.asking import (
    PATIENCE_S,
    Ask,
    Claude,
    Client,
    DroppedError,
    SilentError,
    answer_among,
    take,
)
from tests.chaos.server_file import SERVER
from tests.doors.by_hand import Message, Modern, messages


@dataclass
class ModernClaude(Claude):
    """Asks anew, each time."""

    client: Client

    @override
    async def ask(self, ask: Ask) -> Message:
        request_id = next(self.client.ids)
        wire = Modern(self.client.http, f"{self.client.origin}/mcp/{SERVER}", TOKEN)
        try:
            async with (
                asyncio.timeout(PATIENCE_S),
                wire.stream(ask.message(request_id)) as response,
            ):
                take(response)
                ask.on_accepted()
                answer = await _answer(response, request_id)
        except httpx2.TransportError as error:
            raise DroppedError(repr(error)) from error
        except TimeoutError:
            raise SilentError from None
        if answer is None:
            raise DroppedError("the stream ended")
        return answer


async def _answer(response: httpx2.Response, request_id: int) -> Message | None:
    if response.headers["content-type"].startswith("application/json"):
        await response.aread()
        answer: Message = response.json()
        return answer
    async with contextlib.aclosing(messages(response)) as events:
        return await answer_among(events, request_id)
