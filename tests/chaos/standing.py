"""A client of HTTP+SSE: one stream that it opens again whenever it breaks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
from typing_extensions import override

from tests.bridge_processes import TOKEN
from tests.chaos.asking import PATIENCE_S, Ask, Claude, Client, DroppedError, SilentError, take
from tests.chaos.server_file import SERVER
from tests.doors.by_hand import (
    VERSION_2025,
    Message,
    authorization,
    events,
    handshake,
    notification,
    request,
)

RETRY_S = 1.0
LONGEST_SILENCE_S = 20.0
"""The bridge sends a comment every few seconds; a stream without any is taken for dead."""


@dataclass
class StandingClaude(Claude):
    """Comes back as Claude Code does, by its name alone, or as a browser, by Last-Event-ID."""

    client: Client
    says_where: bool
    _address: str = ""
    _last_event_id: str = ""
    _is_known: bool = False
    _is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: dict[int, "asyncio.Future[Message]"] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keep the stream open, and open it again, while the block lasts."""
        reading = asyncio.create_task(self._read_on())
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    @override
    async def ask(self, ask: Ask) -> Message:
        await self._is_open.wait()
        if not self._is_known:
            await self._shake_hands()
        request_id = next(self.client.ids)
        return await self._ask(ask.message(request_id), request_id, ask)

    async def _ask(self, message: Message, request_id: int, ask: Ask | None = None) -> Message:
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        try:
            await self._post(message)
            if ask is not None:
                ask.on_accepted()
            return await asyncio.wait_for(answer, PATIENCE_S)
        except TimeoutError:
            raise SilentError from None
        finally:
            del self._waiting[request_id]
            answer.cancel() or answer.cancelled() or answer.exception()

    async def _shake_hands(self) -> None:
        request_id = next(self.client.ids)
        hello = request("initialize", request_id, **handshake(VERSION_2025))
        await self._ask(hello, request_id)
        await self._post(notification("notifications/initialized"))
        self._is_known = True

    async def _post(self, message: Message) -> None:
        url = self.client.origin + self._address
        try:
            response = await self.client.http.post(
                url, json=message, headers=authorization(TOKEN), timeout=PATIENCE_S
            )
        except httpx2.TransportError as error:
            raise DroppedError(repr(error)) from error
        take(response, 202)

    async def _read_on(self) -> None:
        while True:
            with contextlib.suppress(httpx2.TransportError):
                await self._read()
            self._is_open.clear()
            await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        url = f"{self.client.origin}/sse/{SERVER}/clients/{self.client.name}"
        timeout = httpx2.Timeout(LONGEST_SILENCE_S)
        async with self.client.http.stream(
            "GET", url, headers=self._headers(), timeout=timeout
        ) as response:
            if response.status_code != 200:
                return
            async with contextlib.aclosing(events(response)) as stream:
                async for event in stream:
                    self._last_event_id = event.id or self._last_event_id
                    if event.name == "endpoint":
                        self._arrive_at(event.data or "")
                    elif event.data:
                        self._deliver(event.message)

    def _headers(self) -> dict[str, str]:
        headers = authorization(TOKEN)
        if self._is_known:
            headers["mcp-protocol-version"] = VERSION_2025
            if self.says_where and self._last_event_id:
                headers["last-event-id"] = self._last_event_id
        return headers

    def _arrive_at(self, address: str) -> None:
        if self._address not in ("", address):
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(DroppedError("the stream is another session's now"))
        self._address = address
        self._is_open.set()

    def _deliver(self, message: Message) -> None:
        answer = self._waiting.get(message.get("id", 0)) if "method" not in message else None
        if answer is not None and not answer.done():
            answer.set_result(message)
