"""Pausing a server, a hook or a workflow: what comes waits, until it is resumed.

A paused hook takes in as ever and hands no event out; of a paused workflow no attempt begins. What
was begun before goes on, unless whoever pauses wants it taken back or ended.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.configuration.servers import Server
from bridge.errors import ConflictError, NotFoundError
from bridge.models import CallId, Pause
from bridge.store.calls import CallStore
from bridge.store.operators import OperatorStore
from bridge.store.pauses import PauseStore

logger = logging.getLogger(__name__)

CANCELLED = "cancelled by an operator"


class Begun(StrEnum):
    """What becomes of what was begun before a pause.

    `finish`: it goes on. `release`: leased events, and calls that run nothing twice by it, go back
    to their queue. `cancel`: leased events go back, calls are cancelled.
    """

    FINISH = "finish"
    RELEASE = "release"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Paused:
    """A pause, and how much of what was begun went back, was cancelled, and goes on."""

    pause: Pause
    released: int = 0
    cancelled: int = 0
    go_on: int = 0


class Pausing:
    """Decides what begins, by the word of operators."""

    def __init__(self, store: PauseStore, operators: OperatorStore, calls: CallStore) -> None:
        self._store = store
        self._operators = operators
        self._calls = calls

    async def listed(self) -> list[Pause]:
        """List what is paused, by place."""
        return await self._store.listed()

    async def pause(
        self, place: str, by: str, begun: Begun, servers: Mapping[str, Server]
    ) -> Paused:
        """Pause a server, or the hook and the workflow of it that have a name.

        What is paused already stays so; `begun` is done all the same.

        Raises:
            NotFoundError: there is no such place.
        """
        server, parts = await self._parts(place, servers)
        pause = await self._store.begin(place, by)
        released = cancelled = go_on = 0
        for part in parts:
            found = await self._store.under_way(server, part)
            if begun is not Begun.FINISH:
                released += await self._release_events(found.events, by)
            if begun is Begun.RELEASE:
                released += await self._release_calls(found.calls, by)
            if begun is Begun.CANCEL:
                cancelled += await self._cancel(found.calls)
            left = await self._store.under_way(server, part)
            go_on += len(left.events) + len(left.calls)
        logger.info("place.paused", extra={"place": place})
        return Paused(pause, released, cancelled, go_on)

    async def _release_events(self, event_ids: list[str], by: str) -> int:
        taken = await asyncio.gather(*(self._store.take_back_event(each, by) for each in event_ids))
        return sum(outcome == "released" for outcome, _ in taken)

    async def _release_calls(self, call_ids: list[str], by: str) -> int:
        return sum(
            await asyncio.gather(*(self._store.take_back_call(each, by) for each in call_ids))
        )

    async def _cancel(self, call_ids: list[str]) -> int:
        cancelling = (self._calls.cancel(CallId(each), CANCELLED) for each in call_ids)
        return sum(await asyncio.gather(*cancelling))

    async def resume(self, place: str, servers: Mapping[str, Server]) -> list[Pause]:
        """Resume a place; what waits goes on at once. Returns what of its server is still paused.

        Raises:
            ConflictError: it is not paused itself.
        """
        server, _, part = place.partition("/")
        known = await self._known(servers)
        parts = [part] if part else [each for owner, each in known if owner == server]
        if not await self._store.lift(place, server, parts):
            raise ConflictError(_why_not(place, await self.listed()))
        logger.info("place.resumed", extra={"place": place})
        return [each for each in await self.listed() if each.place.partition("/")[0] == server]

    async def _known(self, servers: Mapping[str, Server]) -> list[tuple[str, str]]:
        configured = {
            (name, part)
            for name, server in servers.items()
            for part in (*server.hooks, *server.workflows)
        }
        hooks, workflows = await self._operators.hooks(), await self._operators.workflows()
        return sorted(configured | {*hooks, *workflows})

    async def _parts(self, place: str, servers: Mapping[str, Server]) -> tuple[str, list[str]]:
        """Find a server and the hooks and workflows that a place names."""
        server, slash, part = place.partition("/")
        known = await self._known(servers)
        parts = [each for owner, each in known if owner == server]
        if server not in servers and not parts:
            names = sorted(servers.keys() | {owner for owner, _ in known})
            raise NotFoundError(f"no server {server}; there are: {', '.join(names) or 'none'}")
        if slash and part not in parts:
            there = ", ".join(parts) or "none"
            raise NotFoundError(f"no hook or workflow {part} in {server}; there are: {there}")
        return server, [part] if part else parts


def _why_not(place: str, pauses: list[Pause]) -> str:
    server = place.partition("/")[0]
    if any(each.place == server for each in pauses):
        return f"{place} is paused with all of its server: resume {server}"
    there = ", ".join(each.place for each in pauses) or "nothing"
    return f"{place} is not paused; paused is: {there}"
