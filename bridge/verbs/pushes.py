"""The verb of pushes: each queued event is told to one session, and again until it was taken.

On purpose: the sessions of a server share one schedule, so that an event signals one of them at a
time; and only the first PUSHED_AT_ONCE events are told, so that a full inbox floods none.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator

from bridge.configuration.servers import Server
from bridge.errors import TransientError
from bridge.models import Event
from bridge.store.event_feed import PushStore
from bridge.store.signals import Signals

logger = logging.getLogger(__name__)

PUSHED_AT_ONCE = 10
PAUSES_S = (30.0, 600.0)
"""The first pause before an event is told again, and the longest."""

LOOK_AGAIN_S = 5.0
SOON_S = 0.05


class Pushes:
    """Decides which events a session is told, and when."""

    def __init__(self, store: PushStore, signals: Signals) -> None:
        self._store = store
        self._signals = signals

    async def events(self, server: Server) -> AsyncGenerator[Event, None]:
        """Yield each event that it is this session's turn to tell, for ever."""
        hooks = sorted(server.hooks, key=lambda name: -server.hooks[name].priority)
        with self._signals.subscribed(f"events:{server.name}") as woken:
            while True:
                found, next_s = list[Event](), None
                with contextlib.suppress(TransientError):
                    found, next_s = await self._store.due(
                        server.name, hooks, secrets.token_hex(8), PUSHED_AT_ONCE, PAUSES_S
                    )
                for event in found:
                    _log(event)
                    yield event
                await woken.wait(LOOK_AGAIN_S if next_s is None else min(next_s, LOOK_AGAIN_S))
                await asyncio.sleep(SOON_S)  # many may come at once


def _log(event: Event) -> None:
    logger.info(
        "event.pushed",
        extra={"event_id": event.event_id, "server": event.server, "hook": event.hook},
    )
