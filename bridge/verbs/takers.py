"""Taking events: who waits is served in turn, and looked after by its process.

A taker that waits is woken when an event is queued for it, and when one was leased to it. A wake
may be lost, that of a process that ends among others, and Redis may lose sight of a whole process
for a while; so one look for all takers of a process finds those that were leased an event without
hearing of it, and whether all of them still wait. What it costs does not depend on how many wait.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bridge.auth.authentication import EVERYTHING, Scope
from bridge.configuration.servers import Server
from bridge.ending import end
from bridge.errors import PausedError, StoreUnavailableError, TooManyTakersError, TransientError
from bridge.formats.long_json import LongJson
from bridge.formats.payloads import read_kept
from bridge.models import Body, Event, Json, LeaseToken, Principal, new_lease_token
from bridge.store.claims import ClaimRequest, ClaimStore
from bridge.store.processes import DIED
from bridge.store.signals import Signal, Signals
from bridge.tracing import EndedSpan

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0


class Waiters:
    """Knows who waits in this process."""

    def __init__(self, store: ClaimStore, signals: Signals) -> None:
        self._store = store
        self._signals = signals
        self._waiting: dict[str, Signal] = {}
        self._in_line: dict[str, ClaimRequest] = {}
        self._leaving: dict[LeaseToken, ClaimRequest] = {}

    @contextlib.contextmanager
    def subscribed(self, waiter: str, *names: str) -> Iterator[Signal]:
        """Hang the woken of one waiter while the block lasts, for these names too."""
        with self._signals.subscribed(f"taker:{waiter}", *names) as woken:
            self._waiting[waiter] = woken
            try:
                yield woken
            finally:
                del self._waiting[waiter]

    def stands(self, wish: ClaimRequest) -> None:
        """Record that a waiter has its place in line."""
        self._in_line[wish.waiter] = wish

    def took(self, wish: ClaimRequest) -> None:
        """Record that a waiter was served, and so has left the line."""
        self._in_line.pop(wish.waiter, None)

    def leave_later(self, wish: ClaimRequest, token: LeaseToken) -> None:
        """End a waiter's place once Redis answers again."""
        self._in_line.pop(wish.waiter, None)
        self._leaving[token] = wish

    async def leave(self, wish: ClaimRequest, token: LeaseToken) -> None:
        """End a waiter's place; tried again later while Redis does not answer."""
        self.leave_later(wish, token)
        await self._leave(wish, token)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the waiters while the block lasts."""
        looking = asyncio.create_task(self._look_again(), name="waiters")
        try:
            yield
        finally:
            await end(looking)

    async def _look_again(self) -> None:
        with self._signals.subscribed(DIED) as died:
            while True:
                await died.wait(LOOK_AGAIN_S)
                try:
                    with contextlib.suppress(TransientError):
                        await self._look()
                except Exception:  # what one look trips over must not end all looking
                    logger.exception("waiters.look_failed")

    async def _look(self) -> None:
        for token, wish in tuple(self._leaving.items()):
            await self._leave(wish, token)
        if not self._in_line:
            return
        expected = len(self._in_line)
        counted, named = await self._store.waiting()
        # One more may have joined since; that there are fewer can only mean that some are lost.
        for waiter in named if counted >= expected else tuple(self._waiting):
            if woken := self._waiting.get(waiter):
                woken.notify()
        for server, hooks in {each.server: each.hooks for each in self._in_line.values()}.items():
            await self._store.match(server, hooks)

    async def _leave(self, wish: ClaimRequest, token: LeaseToken) -> None:
        await self._store.leave_line(wish, token)
        self._leaving.pop(token, None)


ABSENT_S = 1.0
"""How often one asks after a taker that is not there, where nothing tells that it is back."""


@dataclass(frozen=True)
class Presence:
    """Whether a taker's client would get an answer now.

    `is_there` may ask Redis; so where that is so, `changes` is the wake for when it may have become
    something else, and it is asked only then. `origin` is by which use of a tool it takes, as
    `origin_of` says it.
    """

    is_there: Callable[[], Awaitable[bool]]
    changes: str = ""
    origin: str = ""

    @property
    def signals(self) -> tuple[str, ...]:
        """Name the signals to listen for, if any."""
        return (self.changes,) if self.changes else ()


@dataclass(frozen=True)
class Taken:
    """An event in Claude's hands: the token is the right to answer it."""

    event: Event
    payload: Json | LongJson
    token: LeaseToken


class Takers:
    """Decides who gets which event."""

    def __init__(self, store: ClaimStore, signals: Signals, principal_max: int) -> None:
        self._store = store
        self._waiters = Waiters(store, signals)
        self._principal_max = principal_max

    def running(self) -> AbstractAsyncContextManager[None]:
        """Look after those who wait while the block lasts."""
        return self._waiters.running()

    async def take(
        self,
        server: Server,
        principal: Principal,
        hook: str | None,
        wait_s: float,
        presence: Presence,
        scope: Scope = EVERYTHING,
    ) -> Taken | None:
        """Lease the oldest queued event, waiting in line for one at most `wait_s`.

        `server` has all its hooks, whatever the scope: those before in line may ask for any.

        While the taker is not there it stands in no line and takes nothing; it may come back.

        Raises:
            TooManyTakersError: as many of the principal wait as may.
            PausedError: there was none, and a hook that was asked for is paused.
        """
        hooks = [(name, each.priority) for name, each in server.hooks.items()]
        only = [name for name in (hook,) if name] or sorted(scope.hooks or ())
        if scope.hooks is not None and not only:
            return None
        ends_at, most, found = _now() + wait_s, self._principal_max, None
        while True:
            waiter, left_s = secrets.token_hex(8), max(ends_at - _now(), 0)
            wish = ClaimRequest(server.name, hooks, only, waiter, left_s, most, presence.origin)
            with self._waiters.subscribed(waiter, *presence.signals) as woken:
                if await presence.is_there():
                    found = await self._stand_in_line(wish, principal, woken, ends_at, presence)
                    if isinstance(found, Taken):
                        return found
                if isinstance(found, PausedError) and _now() >= ends_at:
                    raise found
                if _now() >= ends_at:
                    return None
                left_s = ends_at - _now()
                await woken.wait(left_s if presence.changes else min(ABSENT_S, left_s))

    async def _stand_in_line(
        self,
        wish: ClaimRequest,
        principal: Principal,
        woken: Signal,
        ends_at: float,
        presence: Presence,
    ) -> Taken | PausedError | None:
        """Wait for an event until the time is over or the taker has left; then leave the line."""
        token = new_lease_token()
        try:
            while True:
                found = await self._look(wish, principal, token)
                if isinstance(found, tuple):
                    event, body = found
                    self._waiters.took(wish)
                    _log(event, principal)
                    return Taken(event, read_kept(body.content), token)
                left_s = ends_at - _now()
                if left_s <= 0:
                    break
                self._waiters.stands(wish)
                await woken.wait(left_s)
                if not await presence.is_there():
                    break
        except TooManyTakersError:
            raise
        except StoreUnavailableError:
            self._waiters.leave_later(wish, token)
            raise
        except BaseException:
            await self._waiters.leave(wish, token)
            raise
        if wish.wait_s > 0:
            await self._waiters.leave(wish, token)
        return found

    async def _look(
        self, wish: ClaimRequest, principal: Principal, token: LeaseToken
    ) -> tuple[Event, Body] | PausedError | None:
        """Take an event if there is one, or a place in line; a pause ends no waiting."""
        try:
            return await self._store.take(wish, principal, token)
        except PausedError as paused:
            return paused


def _log(event: Event, principal: Principal) -> None:
    name, part = f"queue {event.hook}", f"take {event.attempt}"
    began_at_s = event.received_at_ms / 1000
    EndedSpan(name, event.trace, event.event_id, began_at_s, event.names, part).record()
    logger.info(
        "event.taken",
        extra={
            "event_id": event.event_id,
            "server": event.server,
            "hook": event.hook,
            "principal": principal.name,
            "attempt": event.attempt,
        },
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
