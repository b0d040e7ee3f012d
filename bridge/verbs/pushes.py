"""The verb of pushes: each queued event is told to one session, and again until it was taken.

On purpose: the sessions of a server share one schedule, so that an event is told to one of them at
a time, in turn; and only the first PUSHED_AT_ONCE events are told, so that a full inbox floods
none.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, Sequence

from bridge.configuration.servers import Server
from bridge.errors import TransientError
from bridge.models import Event
from bridge.store.event_feed import PushStore, PushTimes
from bridge.store.signals import Signals

logger = logging.getLogger(__name__)

PUSHED_AT_ONCE = 10
TIMES = PushTimes(first_s=30.0, longest_s=600.0, turn_s=1.0)

LOOK_AGAIN_S = 5.0
QUIET_S = 20.0
"""How long nothing is told where there is a beat, however slow it is."""

SOON_S = 0.05


class Pushes:
    """Decides which events a session is told, and when."""

    def __init__(self, store: PushStore, signals: Signals) -> None:
        self._store = store
        self._signals = signals

    async def events(self, server: Server, beat: str = "") -> AsyncGenerator[Event | None, None]:
        """Yield each event that it is this session's turn to tell, for ever.

        Yields None whenever the signal `beat` is notified, and more often where that is seldom.
        What was yielded and nobody took is for other sessions from the moment on that this one
        ends.
        """
        hooks = sorted(server.hooks, key=lambda name: -server.hooks[name].priority)
        watcher, now = self._store.new_watcher(), asyncio.get_running_loop().time
        signals = (f"events:{server.name}", *filter(None, [beat]))
        try:
            with self._signals.subscribed(*signals) as woken:
                beat_at = now()
                while True:
                    found, next_s = await self._due(server, hooks, watcher)
                    for event in found:
                        _log(event)
                        yield event
                    names = await woken.wait(min(next_s, LOOK_AGAIN_S))
                    if beat in names or (beat and now() - beat_at >= QUIET_S):
                        beat_at = now()
                        yield None
                    await asyncio.sleep(SOON_S)  # many may come at once
        finally:
            with contextlib.suppress(TransientError):
                await self._store.leave(server.name, hooks, watcher)

    async def _due(
        self, server: Server, hooks: Sequence[str], watcher: str
    ) -> tuple[list[Event], float]:
        """Claim what is to be told now; none while Redis is away."""
        wish = secrets.token_hex(8)
        try:
            found, next_s = await self._store.due(
                server.name, hooks, watcher, wish, PUSHED_AT_ONCE, TIMES
            )
        except TransientError:
            return [], LOOK_AGAIN_S
        return found, LOOK_AGAIN_S if next_s is None else next_s


def _log(event: Event) -> None:
    logger.info(
        "event.pushed",
        extra={"event_id": event.event_id, "server": event.server, "hook": event.hook},
    )
