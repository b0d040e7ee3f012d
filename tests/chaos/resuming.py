"""A client of the 2025 wire: goes back to a stream that broke with Last-Event-ID."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
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
from tests.doors.by_hand import Event, Message, Session, events, open_session

RETRY_S = 1.0
"""What the bridge's streams tell their clients to wait."""

FEW, MANY = 2, 20
"""How often clients try to resume: Claude Code does it twice."""


@dataclass
class ResumingClaude(Claude):
    """Keeps its session for as long as the bridge knows it."""

    client: Client
    path: str
    session: Session | None = None

    @override
    async def ask(self, ask: Ask) -> Message:
        request_id = next(self.client.ids)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._ask(ask, request_id)
        except httpx2.TransportError as error:
            raise DroppedError(repr(error)) from error
        except TimeoutError:
            raise SilentError from None

    async def _ask(self, ask: Ask, request_id: int) -> Message:
        session = self.session or await self._open()
        place = Place()
        with contextlib.suppress(httpx2.TransportError):
            async with session.stream(ask.message(request_id)) as response:
                if response.status_code == 404:
                    self.session = None
                take(response)
                ask.on_accepted()
                answer = await answer_among(place.following(response), request_id)
            if answer is not None:
                return answer
        return await self._resume(session, request_id, place)

    async def _resume(self, session: Session, request_id: int, place: "Place") -> Message:
        for _ in range(self.client.random.choice((FEW, MANY)) if place.event_id else 0):
            await asyncio.sleep(RETRY_S)
            with contextlib.suppress(httpx2.TransportError):
                async with session.listen(place.event_id) as response:
                    if response.status_code == 503:
                        continue
                    take(response)
                    answer = await answer_among(place.following(response), request_id)
                if answer is not None:
                    return answer
        raise DroppedError("not resumed")

    async def _open(self) -> Session:
        url = f"{self.client.origin}/{self.path}/{SERVER}"
        try:
            self.session = await open_session(self.client.http, url, token=TOKEN)
        except AssertionError as error:
            raise DroppedError(str(error)) from error
        return self.session


@dataclass
class Place:
    """How far a stream was read."""

    event_id: str = ""

    async def following(self, response: httpx2.Response) -> AsyncGenerator[Event, None]:
        """Read on, and remember."""
        async with contextlib.aclosing(events(response)) as stream:
            async for event in stream:
                self.event_id = event.id or self.event_id
                yield event
