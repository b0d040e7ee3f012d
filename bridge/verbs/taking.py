"""The verb of takers: whoever asks gets the next event, first come, first served."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bridge.auth.scopes import EVERYTHING, Scope
from bridge.configuration.servers import Server
from bridge.errors import StoreUnavailableError, TooManyTakersError
from bridge.formats.payloads import LongJson, read_kept
from bridge.models import Event, Json, LeaseToken, Principal, new_lease_token
from bridge.store.claims import ClaimStore, Wish
from bridge.store.wake import Bell, Wakes
from bridge.verbs.waiters import Waiters

logger = logging.getLogger(__name__)

ABSENT_S = 1.0
"""How often one asks after a taker that is not there, where nothing tells that it is back."""


@dataclass(frozen=True)
class Presence:
    """Whether a taker's client would get an answer now.

    `is_there` may ask Redis; so where that is so, `changes` is the wake for when it may have become
    something else, and it is asked only then.
    """

    is_there: Callable[[], Awaitable[bool]]
    changes: str = ""

    @property
    def wakes(self) -> tuple[str, ...]:
        """Name the wakes to listen for, if any."""
        return (self.changes,) if self.changes else ()


@dataclass(frozen=True)
class Taken:
    """An event in Claude's hands: the token is the right to answer it."""

    event: Event
    payload: Json | LongJson
    token: LeaseToken


class Takers:
    """Decides who gets which event."""

    def __init__(self, store: ClaimStore, wakes: Wakes, principal_max: int) -> None:
        self._store = store
        self._waiters = Waiters(store, wakes)
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
        """
        hooks = [(name, each.priority) for name, each in server.hooks.items()]
        only = [name for name in (hook,) if name] or sorted(scope.hooks or ())
        if scope.hooks is not None and not only:
            return None
        ends_at = _now() + wait_s
        while True:
            waiter, left_s = secrets.token_hex(8), max(ends_at - _now(), 0)
            wish = Wish(server.name, hooks, only, waiter, left_s, self._principal_max)
            with self._waiters.listening(waiter, *presence.wakes) as bell:
                if await presence.is_there():
                    taken = await self._stand_in_line(wish, principal, bell, ends_at, presence)
                    if taken is not None:
                        return taken
                if _now() >= ends_at:
                    return None
                left_s = ends_at - _now()
                await bell.wait(left_s if presence.changes else min(ABSENT_S, left_s))

    async def _stand_in_line(
        self, wish: Wish, principal: Principal, bell: Bell, ends_at: float, presence: Presence
    ) -> Taken | None:
        """Wait for an event until the time is over or the taker has left; then leave the line."""
        token = new_lease_token()
        try:
            while True:
                found = await self._store.take(wish, principal, token)
                if found is not None:
                    event, body = found
                    self._waiters.took(wish)
                    _log(event, principal)
                    return Taken(event, read_kept(body.content), token)
                left_s = ends_at - _now()
                if left_s <= 0:
                    break
                self._waiters.stands(wish)
                await bell.wait(left_s)
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
        return None


def _log(event: Event, principal: Principal) -> None:
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
