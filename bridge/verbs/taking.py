"""The verb of takers: whoever asks gets the next event, first come, first served."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bridge.models import Event, Json, LeaseToken, Principal, new_lease_token
from bridge.payloads import parse_json
from bridge.scopes import EVERYTHING, Scope
from bridge.servers import Server
from bridge.store.events import EventStore, Wish
from bridge.store.processes import DIED
from bridge.store.wake import Bell, Wakes

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0
ABSENT_S = 1.0

IsThere = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Taken:
    """An event in Claude's hands: the token is the right to answer it."""

    event: Event
    payload: Json
    token: LeaseToken


class Takers:
    """Decides who gets which event."""

    def __init__(self, store: EventStore, wakes: Wakes) -> None:
        self._store = store
        self._wakes = wakes

    async def take(
        self,
        server: Server,
        principal: Principal,
        hook: str | None,
        wait_s: float,
        is_there: IsThere,
        scope: Scope = EVERYTHING,
    ) -> Taken | None:
        """Lease the oldest queued event, waiting in line for one at most `wait_s`.

        `server` has all its hooks, whatever the scope: those before in line may ask for any.

        While the taker is not there it stands in no line and takes nothing; it may come back.
        """
        hooks = [(name, each.priority) for name, each in server.hooks.items()]
        only = [name for name in (hook,) if name] or sorted(scope.hooks or ())
        if scope.hooks is not None and not only:
            return None
        ends_at = _now() + wait_s
        with self._wakes.listening(f"events:{server.name}", DIED) as bell:
            while True:
                wish = Wish(server.name, hooks, only, secrets.token_hex(8), waits=wait_s > 0)
                taken = await self._stand_in_line(wish, principal, bell, ends_at, is_there)
                if taken is not None or _now() >= ends_at:
                    return taken
                await bell.wait(min(ABSENT_S, ends_at - _now()))

    async def _stand_in_line(
        self, wish: Wish, principal: Principal, bell: Bell, ends_at: float, is_there: IsThere
    ) -> Taken | None:
        """Wait for an event until the time is over or the taker has left; then leave the line."""
        token = new_lease_token()
        try:
            while await is_there():
                found = await self._store.take(wish, principal, token)
                if found is not None:
                    event, body = found
                    _log(event, principal)
                    return Taken(event, parse_json(body.content), token)
                left_s = ends_at - _now()
                if left_s <= 0:
                    break
                await bell.wait(min(left_s, LOOK_AGAIN_S))
        except BaseException:
            await self._store.leave_line(wish, token)
            raise
        await self._store.leave_line(wish, token)
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
