"""Web processes that stand while the tests of a module come and go.

To start one and to end it takes longer than most tests do what they are for. What a test left in
the store is gone before the next; what it left in a process is cut off, and a process that still
works after that, or has begun to drain, is ended and replaced.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Self

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from bridge.net.serve import DrainingServer
from tests.serving import running_server, serving

QUIET_WITHIN_S = 0.5
LOOK_EVERY_S = 0.002

Build = Callable[[Settings], BridgeApp]
Key = tuple[Build, Settings, int]


@dataclass(frozen=True)
class StandingWeb:
    """One web process, and how many tasks of its own it has while nobody asks for anything."""

    app: BridgeApp
    server: DrainingServer
    address: str
    own_tasks: int
    ending: contextlib.AsyncExitStack

    @property
    def is_quiet(self) -> bool:
        """Report whether nothing is left of what was asked of it."""
        return (
            not self.server.server_state.connections
            and not self.server.server_state.tasks
            and len(self.app.mcp.tasks) <= self.own_tasks
        )

    @property
    def is_open(self) -> bool:
        """Report whether it takes requests as it did when it was started."""
        is_closing = any(door.listening.is_closing for door in self.app.mcp.endpoints.values())
        return not (is_closing or self.app.readiness.is_draining)

    async def rests(self) -> bool:
        """Hang up on everybody; tell whether it is as good as new soon."""
        for connection in tuple(self.server.server_state.connections):
            connection.transport.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_WITHIN_S):
                while not self.is_quiet:
                    await asyncio.sleep(LOOK_EVERY_S)
        return self.is_quiet and self.is_open


class Webs:
    """The web processes of a module, by what they were built by and from, and a number."""

    def __init__(self) -> None:
        self._webs: dict[Key, StandingWeb] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self._end(*self._webs)

    async def app(self, build: Build, settings: Settings, number: int = 0) -> BridgeApp:
        """Return the app of a process of this kind that runs."""
        key = build, settings, number
        if key not in self._webs:
            self._webs[key] = await start(build(settings))
        return self._webs[key].app

    @contextlib.asynccontextmanager
    async def serving(self, app: BridgeApp) -> AsyncIterator[str]:
        """Return the address of an app; one that does not stand runs while the block lasts."""
        standing = [web.address for web in self._webs.values() if web.app is app]
        if standing:
            yield standing[0]
        else:
            async with serving(app) as address:
                yield address

    async def rest(self) -> None:
        """Cut off what a test has left, and end the processes that are not as good as new."""
        keys = tuple(self._webs)
        rested = await asyncio.gather(*(self._webs[key].rests() for key in keys))
        await self._end(*(key for key, rests in zip(keys, rested, strict=True) if not rests))

    async def _end(self, *keys: Key) -> None:
        await asyncio.gather(*(self._webs.pop(key).ending.aclose() for key in keys))


async def start(app: BridgeApp) -> StandingWeb:
    """Start a web process of an app."""
    ending = contextlib.AsyncExitStack()
    server, address = await ending.enter_async_context(running_server(app, app.drain))
    return StandingWeb(app, server, address, len(app.mcp.tasks), ending)
