"""Webhook subscriptions of the Events extension: made, renewed, ended, and told what has come."""

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import rfc8785

from bridge.configuration.servers import Server
from bridge.errors import Fault, InvalidError, LeaseLostError, NotFoundError, TransientError
from bridge.models import Event, Json, Principal, SubscriptionId, new_lease_token
from bridge.net.receivers import (
    MessageRefusedError,
    Receiver,
    ReceiverError,
    Receivers,
    fault_of_secret,
    fault_of_url,
    new_message_id,
)
from bridge.store.event_feed import ArrivalStore
from bridge.store.subscriptions import (
    MOST_S,
    NewSubscription,
    StoredSubscription,
    SubscriptionLease,
    SubscriptionStore,
)
from bridge.verbs.tokens import Authenticator

LEAST_S = 60.0
OF_PRINCIPAL_MAX = 100
PROOFS_MAX = 10
"""How many proofs one host may be asked for in a minute."""


class LimitReachedError(TransientError):
    """No more of something for now: `limit` names it, `most` is how many there may be."""

    def __init__(self, limit: str, most: int) -> None:
        super().__init__(f"there may be no more than {most} {limit}")
        self.limit = limit
        self.most = most


@dataclass(frozen=True)
class SubscribeRequest:
    """What a client asks for: a hook's events, from behind `cursor` on, sent to `url`.

    `token` is the digest of what let the client in, where that can be revoked. Nothing older than
    `kept_s` is told. `ttl_s` of None leaves it to the bridge how long the subscription lasts.
    """

    principal: Principal
    token: str
    hook: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    cursor: str | None
    kept_s: float
    ttl_s: float | None

    @property
    def subscription_id(self) -> SubscriptionId:
        """Return the id, which is the same for the same wish and a secret to nobody."""
        return id_of(self.principal, self.hook, self.url)


@dataclass(frozen=True)
class Subscribed:
    """A subscription that stands; `is_cut` says that some of what was asked for is not kept."""

    subscription_id: SubscriptionId
    kept: StoredSubscription
    is_cut: bool


class Subscriptions:
    """Decides who may have events sent where."""

    def __init__(
        self, store: SubscriptionStore, arrivals: ArrivalStore, receivers: Receivers
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._receivers = receivers

    async def subscribe(self, asked: SubscribeRequest) -> Subscribed:
        """Begin a subscription, or renew the one of this principal, hook and address.

        Raises:
            InvalidError: the address can be no receiver's, or the secret cannot sign.
            LimitReachedError: the principal has as many as it may, or its host was asked too often.
            ReceiverError: the receiver did not prove that it wants to be told.
        """
        _demand_sound(asked)
        receiver = Receiver(asked.subscription_id, asked.url, (asked.secret,))
        await self._demand_proof(asked.principal, receiver)
        arrivals = await self._arrivals.after(
            asked.principal.server, asked.hook, asked.cursor, 1, asked.kept_s
        )
        kept = await self._store.keep(
            NewSubscription(
                subscription_id=asked.subscription_id,
                principal=asked.principal,
                token=asked.token,
                hook=asked.hook,
                url=asked.url,
                secret=asked.secret,
                cursor=arrivals.start,
                ttl_s=min(max(asked.ttl_s or MOST_S, LEAST_S), MOST_S),
            ),
            OF_PRINCIPAL_MAX,
        )
        if kept is None:
            raise LimitReachedError("subscriptions", OF_PRINCIPAL_MAX)
        return Subscribed(asked.subscription_id, kept, arrivals.is_cut and not kept.is_old)

    async def unsubscribe(self, principal: Principal, hook: str, url: str) -> SubscriptionId:
        """End a subscription at once.

        Raises:
            NotFoundError: there is none of this principal, hook and address.
        """
        subscription_id = id_of(principal, hook, url)
        if not await self._store.forget(subscription_id):
            raise NotFoundError("no such subscription")
        return subscription_id

    async def _demand_proof(self, principal: Principal, receiver: Receiver) -> None:
        """Have a receiver prove itself, to each principal once in a day."""
        proof = _digest(principal.server, principal.name, receiver.url)
        if await self._store.is_proved(proof):
            return
        host = _digest(urlsplit(receiver.url).netloc.lower())
        if not await self._store.may_ask_proof(host, secrets.token_hex(8), PROOFS_MAX):
            raise LimitReachedError("verifications of a host in a minute", PROOFS_MAX)
        await self._receivers.prove(receiver)
        await self._store.prove(proof)


def id_of(principal: Principal, hook: str, url: str) -> SubscriptionId:
    """Return the id of a subscription, for whoever routes what is sent; it opens nothing."""
    return SubscriptionId(f"sub_{_digest(principal.server, principal.name, hook, url)[:32]}")


def _digest(*parts: str) -> str:
    return hashlib.sha256(rfc8785.dumps(list(parts))).hexdigest()


def _demand_sound(asked: SubscribeRequest) -> None:
    said = (
        ("/delivery/url", fault_of_url(asked.url)),
        ("/delivery/secret", fault_of_secret(asked.secret)),
    )
    faults = tuple(Fault(pointer, why) for pointer, why in said if why)
    if faults:
        raise InvalidError("there can be no such receiver", faults)


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


class SubscriptionDeliveries:
    """Decides what a receiver is told next, and what becomes of what it does not take."""

    def __init__(
        self,
        store: SubscriptionStore,
        arrivals: ArrivalStore,
        receivers: Receivers,
        authenticator: Authenticator,
        servers: Mapping[str, Server],
        kept_s: float,
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._receivers = receivers
        self._entrance = authenticator
        self._servers = servers
        self._kept_s = kept_s

    async def deliver(self, subscription_id: SubscriptionId, write: Write) -> None:
        """Send a receiver all that has come for it; does nothing while another process does."""
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

    async def _deliver(self, telling: SubscriptionLease, write: Write) -> None:
        place, has_gap, has_more = telling.cursor, telling.has_gap, True
        while has_more:
            found = await self._arrivals.after(
                telling.principal.server, telling.hook, place, PAGE, self._kept_s
            )
            # Asked after the events are read: none is told that came when the right was gone.
            server = await self._seen_by(telling)
            if server is None:
                await self._end(telling)
                return
            if has_gap or found.is_cut:
                gap: Json = {"type": "gap", "cursor": found.start}
                await self._tell(telling, new_message_id("gap"), gap, found.start)
            for event in found.events:
                await self._tell_event(telling, event, await write(server, event))
            place, has_gap, has_more = found.place, False, found.has_more
        await self._store.done(telling, place)

    async def _tell_event(
        self, telling: SubscriptionLease, event: Event, occurrence: dict[str, Json] | None
    ) -> None:
        place = str(event.order)
        if occurrence is None:
            await self._advance(telling, place, is_delivered=False)
        else:
            message: Json = occurrence | {"cursor": place}
            await self._tell(telling, event.event_id, message, place, order=place)

    async def _tell(
        self,
        telling: SubscriptionLease,
        message_id: str,
        message: Json,
        cursor: str,
        *,
        order: str = "",
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

    async def _advance(
        self, telling: SubscriptionLease, cursor: str, *, is_delivered: bool
    ) -> None:
        if not await self._store.advance(telling, cursor, is_delivered=is_delivered):
            raise LeaseLostError("the subscription is over")

    async def _seen_by(self, telling: SubscriptionLease) -> Server | None:
        """Return the server as the subscriber sees it now; None where the hook is no part of it."""
        server = self._servers.get(telling.principal.server)
        if server is None:
            return None
        scope = await self._entrance.rights(server, telling.principal, telling.token)
        seen = scope.view(server) if scope else None
        return seen if seen and telling.hook in seen.hooks else None

    async def _end(self, telling: SubscriptionLease) -> None:
        """End a subscription whose client has lost its rights, and say so once."""
        await self._store.forget(telling.subscription_id)
        message: Json = {"type": "terminated", "error": ENDED}
        try:
            await self._receivers.post(_receiver(telling), new_message_id("terminated"), message)
            _log(telling, "", "ended", "")
        except ReceiverError as error:
            _log(telling, "", "ended", error.reason)


def _receiver(telling: SubscriptionLease) -> Receiver:
    return Receiver(telling.subscription_id, telling.url, telling.secrets)


def _log(telling: SubscriptionLease, order: str, outcome: str, failure: str) -> None:
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
