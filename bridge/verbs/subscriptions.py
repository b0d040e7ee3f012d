"""The verbs of webhook subscriptions: begin or renew one, end one.

Source: SEP-3415, "Subscribing: events/subscribe", "Subscription Identity", "Subscription TTL".
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import rfc8785

from bridge.errors import Fault, InvalidError, NotFoundError, TransientError
from bridge.models import Principal, SubscriptionId
from bridge.net.receivers import Receiver, Receivers, fault_of_secret, fault_of_url
from bridge.store.arrivals import ArrivalStore
from bridge.store.subscription_steps import MOST_S
from bridge.store.subscriptions import Kept, SubscriptionStore, Wish

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
class Asked:
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
        """Give the id, which is the same for the same wish and a secret to nobody."""
        return id_of(self.principal, self.hook, self.url)


@dataclass(frozen=True)
class Subscribed:
    """A subscription that stands; `is_cut` says that some of what was asked for is not kept."""

    subscription_id: SubscriptionId
    kept: Kept
    is_cut: bool


class Subscriptions:
    """Decides who may have events sent where."""

    def __init__(
        self, store: SubscriptionStore, arrivals: ArrivalStore, receivers: Receivers
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._receivers = receivers

    async def subscribe(self, asked: Asked) -> Subscribed:
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
            Wish(
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
    """Give the id of a subscription, for whoever routes what is sent; it opens nothing."""
    return SubscriptionId(f"sub_{_digest(principal.server, principal.name, hook, url)[:32]}")


def _digest(*parts: str) -> str:
    return hashlib.sha256(rfc8785.dumps(list(parts))).hexdigest()


def _demand_sound(asked: Asked) -> None:
    said = (
        ("/delivery/url", fault_of_url(asked.url)),
        ("/delivery/secret", fault_of_secret(asked.secret)),
    )
    faults = tuple(Fault(pointer, why) for pointer, why in said if why)
    if faults:
        raise InvalidError("there can be no such receiver", faults)
