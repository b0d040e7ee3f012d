"""The verb of deliveries: tell a subscription's receiver what has come on its hook.

On purpose: one after the other, each until the receiver has taken it. So the place behind the last
one taken is all there is to remember, whoever goes on from there leaves nothing out, and no cursor
that a receiver is told runs ahead of what it was sent.

Source: SEP-3415, "Webhook Event Delivery", "Authorization".
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

from bridge.configuration.servers import Server
from bridge.errors import LeaseLostError
from bridge.models import Event, Json, SubscriptionId, new_lease_token
from bridge.net.receivers import (
    MessageRefusedError,
    Receiver,
    ReceiverError,
    Receivers,
    new_message_id,
)
from bridge.store.arrivals import ArrivalStore
from bridge.store.subscriptions import SubscriptionStore, Telling
from bridge.verbs.entrance import Entrance

logger = logging.getLogger(__name__)

PAGE = 20
PAUSES_S = (5.0, 30.0, 120.0, 300.0)
"""Before each further attempt; after the last one nothing is sent until the client renews."""

ENDED: Json = {"code": -32024, "message": "Forbidden", "data": {"reason": "access has ended"}}

Write = Callable[[Server, Event], Awaitable[dict[str, Json] | None]]
"""Writes what is told of an event, as the server is seen; None of one that is no longer kept."""


class NotTakenError(ReceiverError):
    """A receiver did not take what stands at `order`, which is empty for what tells of no event."""

    def __init__(self, order: str, reason: str) -> None:
        super().__init__(reason)
        self.order = order


class Deliveries:
    """Decides what a receiver is told next, and what becomes of what it does not take."""

    def __init__(
        self,
        store: SubscriptionStore,
        arrivals: ArrivalStore,
        receivers: Receivers,
        entrance: Entrance,
        servers: Mapping[str, Server],
        kept_s: float,
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._receivers = receivers
        self._entrance = entrance
        self._servers = servers
        self._kept_s = kept_s

    async def deliver(self, subscription_id: SubscriptionId, write: Write) -> None:
        """Tell a receiver all that has come for it; does nothing while another process does."""
        telling = await self._store.lease(subscription_id, new_lease_token())
        if telling is None:
            return
        try:
            await self._deliver(telling, write)
        except LeaseLostError:
            pass  # the subscription is over: nobody is to be told
        except NotTakenError as error:
            became = await self._store.fail(telling, error.order, error.reason, PAUSES_S)
            _log(telling, error.order, became, error.reason)
        except BaseException:
            await self._store.abandon(telling.subscription_id, telling.lease)
            raise

    async def _deliver(self, telling: Telling, write: Write) -> None:
        server = await self._seen_by(telling)
        if server is None:
            await self._end(telling)
            return
        place, has_gap, has_more = telling.cursor, telling.has_gap, True
        while has_more:
            found = await self._arrivals.after(server.name, telling.hook, place, PAGE, self._kept_s)
            if has_gap or found.is_cut:
                gap: Json = {"type": "gap", "cursor": found.start}
                await self._tell(telling, new_message_id("gap"), gap, found.start)
            for event in found.events:
                await self._tell_event(telling, event, await write(server, event))
            place, has_gap, has_more = found.place, False, found.has_more
        await self._store.done(telling, place)

    async def _tell_event(
        self, telling: Telling, event: Event, occurrence: dict[str, Json] | None
    ) -> None:
        place = str(event.order)
        if occurrence is None:
            await self._advance(telling, place, is_delivered=False)
        else:
            message: Json = occurrence | {"cursor": place}
            await self._tell(telling, event.event_id, message, place, order=place)

    async def _tell(
        self, telling: Telling, message_id: str, message: Json, cursor: str, *, order: str = ""
    ) -> None:
        """Send one message, and remember that all up to `cursor` is told.

        Raises:
            NotTakenError: the receiver did not take it, and shall be sent it again.
        """
        is_taken = True
        try:
            await self._receivers.post(_receiver(telling), message_id, message)
        except MessageRefusedError:
            is_taken = False
        except ReceiverError as error:
            raise NotTakenError(order, error.reason) from error
        await self._advance(telling, cursor, is_delivered=is_taken)
        _log(telling, order, "delivered" if is_taken else "refused", "")

    async def _advance(self, telling: Telling, cursor: str, *, is_delivered: bool) -> None:
        if not await self._store.advance(telling, cursor, is_delivered=is_delivered):
            raise LeaseLostError("the subscription is over")

    async def _seen_by(self, telling: Telling) -> Server | None:
        """Give the server as the subscriber sees it now; None where the hook is no part of it."""
        server = self._servers.get(telling.principal.server)
        if server is None:
            return None
        scope = await self._entrance.rights(server, telling.principal, telling.token)
        seen = scope.view(server) if scope else None
        return seen if seen and telling.hook in seen.hooks else None

    async def _end(self, telling: Telling) -> None:
        """End a subscription whose client has lost its rights, and say so once."""
        await self._store.forget(telling.subscription_id)
        message: Json = {"type": "terminated", "error": ENDED}
        try:
            await self._receivers.post(_receiver(telling), new_message_id("terminated"), message)
            _log(telling, "", "ended", "")
        except ReceiverError as error:
            _log(telling, "", "ended", error.reason)


def _receiver(telling: Telling) -> Receiver:
    return Receiver(telling.subscription_id, telling.url, telling.secrets)


def _log(telling: Telling, order: str, outcome: str, failure: str) -> None:
    level = logging.INFO if outcome in ("delivered", "again") else logging.WARNING
    logger.log(
        level,
        "occurrence.attempted",
        extra={
            "subscription_id": telling.subscription_id,
            "server": telling.principal.server,
            "hook": telling.hook,
            "order": order,
            "outcome": outcome,
            "failure": failure,
        },
    )
