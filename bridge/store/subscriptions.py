"""Webhook subscriptions on record: who is told what, how far, and by which process just now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.models import LeaseToken, Principal, ProcessId, SubscriptionId
from bridge.store.steps import Steps, step

MOST_S = 86400
"""The longest that a subscription lasts without being renewed."""

ROTATION_MS = 600_000
"""For how long messages are signed with the secret before the newest one, too."""

PROVED_S = 86400
PROOFS_S = 60

DUE = "due_subscriptions"
"""What rings when something is to be told."""


@dataclass(frozen=True)
class NewSubscription:
    """What a client asks for: a hook's events, from behind `cursor` on, sent to `url`.

    `token` is the digest of what let the client in, where that can be revoked.
    """

    subscription_id: SubscriptionId
    principal: Principal
    hook: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    cursor: str
    token: str
    ttl_s: float


@dataclass(frozen=True)
class StoredSubscription:
    """A subscription as it stands once it was renewed; moments are in milliseconds since 1970.

    `was_suspended` says that nothing was sent for a while, since too much had failed.
    """

    cursor: str
    expires_at_ms: int
    is_old: bool
    was_suspended: bool
    last_delivery_at_ms: int | None
    last_error: str | None
    failed_since_ms: int | None


@dataclass(frozen=True)
class SubscriptionLease:
    """The right to send a receiver what lies behind `cursor`; `has_gap`: some before it is lost."""

    subscription_id: SubscriptionId
    lease: LeaseToken
    principal: Principal
    hook: str
    token: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    cursor: str
    has_gap: bool


class LeaseRow(NamedTuple):
    """What its sender needs of a subscription."""

    server: str
    hook: str
    principal: str
    token: str
    url: str
    secret: str
    old_secret: str | None
    cursor: str
    gap: bool


class SenderClaim(NamedTuple):
    """The right that a process claims to send."""

    subscription_id: str
    lease: str
    process: ProcessId


@step("subscriptions.keep")
async def _keep(
    steps: Steps,
    *,
    subscription_id: SubscriptionId,
    server: str,
    hook: str,
    principal: str,
    token: str,
    url: str,
    secret: str,
    cursor: str,
    ttl_ms: int,
    most: int,
    rotation_ms: int,
    index_ttl_s: int,
) -> StoredSubscription | None:
    """Begin or renew a subscription."""


@step("subscriptions.forget")
async def _forget(steps: Steps, *, subscription_id: SubscriptionId) -> bool:
    """End a subscription."""


@step("subscriptions.lease")
async def _lease(
    steps: Steps, *, subscription_id: SubscriptionId, token: LeaseToken, process: ProcessId
) -> LeaseRow | None:
    """Become the one who sends."""


@step("subscriptions.advance")
async def _advance(steps: Steps, *, claim: SenderClaim, cursor: str, is_delivered: bool) -> bool:
    """Record that all up to `cursor` was sent, or never will be."""


@step("subscriptions.fail")
async def _fail(
    steps: Steps, *, claim: SenderClaim, order: str, error: str, pauses: list[int]
) -> str:
    """Record that what stands at `order` was not taken."""


@step("subscriptions.done")
async def _done(steps: Steps, *, claim: SenderClaim, cursor: str) -> None:
    """End the lease: all up to `cursor` was sent."""


@step("subscriptions.abandon")
async def _abandon(steps: Steps, *, claim: SenderClaim) -> None:
    """Let another process send on."""


@step("subscriptions.sweep")
async def _sweep(steps: Steps, *, limit: int, again_ms: int) -> list[str]:
    """Name the subscriptions that are due."""


@step("subscriptions.is_proved")
async def _is_proved(steps: Steps, *, digest: str) -> bool:
    """Report whether a receiver has proved itself of late."""


@step("subscriptions.prove")
async def _prove(steps: Steps, *, digest: str, ttl_s: int) -> None:
    """Record that a receiver has proved itself."""


@step("subscriptions.ask_proof")
async def _ask_proof(steps: Steps, *, digest: str, token: str, most: int, within_s: int) -> bool:
    """Count one more proof asked of a host."""


class SubscriptionStore:
    """Speaks Redis for subscriptions."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def keep(self, wish: NewSubscription, most: int) -> StoredSubscription | None:
        """Begin or renew a subscription; None where the principal has `most` others."""
        return await _keep(
            self._steps,
            subscription_id=wish.subscription_id,
            server=wish.principal.server,
            hook=wish.hook,
            principal=wish.principal.name,
            token=wish.token,
            url=wish.url,
            secret=wish.secret,
            cursor=wish.cursor,
            ttl_ms=round(wish.ttl_s * 1000),
            most=most,
            rotation_ms=ROTATION_MS,
            index_ttl_s=MOST_S,
        )

    async def forget(self, subscription_id: SubscriptionId) -> bool:
        """End a subscription; False where there is none."""
        return await _forget(self._steps, subscription_id=subscription_id)

    async def lease(
        self, subscription_id: SubscriptionId, token: LeaseToken
    ) -> SubscriptionLease | None:
        """Become the one who tells; None where another does, or there is nothing to do."""
        row = await _lease(
            self._steps, subscription_id=subscription_id, token=token, process=self._process
        )
        if row is None:
            return None
        return SubscriptionLease(
            subscription_id=subscription_id,
            lease=token,
            principal=Principal(row.server, row.principal),
            hook=row.hook,
            token=row.token,
            url=row.url,
            secrets=(row.secret, row.old_secret) if row.old_secret else (row.secret,),
            cursor=row.cursor,
            has_gap=row.gap,
        )

    async def advance(self, telling: SubscriptionLease, cursor: str, *, is_delivered: bool) -> bool:
        """Record that all up to `cursor` is told, or never will be; False: the lease was lost."""
        claim = self._claim(telling)
        return await _advance(self._steps, claim=claim, cursor=cursor, is_delivered=is_delivered)

    async def fail(
        self, telling: SubscriptionLease, order: str, error: str, pauses_s: Sequence[float]
    ) -> str:
        """Record that what stands at `order` was not taken; empty for what tells of no event.

        Returns what becomes of it: `again` after the pause that is next, `suspended` once there is
        none, `given up` where that has been so before, or `lost`.
        """
        pauses = [round(pause_s * 1000) for pause_s in pauses_s]
        claim = self._claim(telling)
        return await _fail(self._steps, claim=claim, order=order, error=error, pauses=pauses)

    async def done(self, telling: SubscriptionLease, cursor: str) -> None:
        """End the lease: all up to `cursor` is told."""
        await _done(self._steps, claim=self._claim(telling), cursor=cursor)

    async def abandon(self, subscription_id: str, token: str) -> None:
        """Let another process tell on; what was sent last may be sent again."""
        await _abandon(self._steps, claim=SenderClaim(subscription_id, token, self._process))

    async def sweep(self, limit: int, again_s: float) -> list[str]:
        """Name those that are due; they are due again after `again_s`."""
        return await _sweep(self._steps, limit=limit, again_ms=round(again_s * 1000))

    async def is_proved(self, digest: str) -> bool:
        """Report whether a receiver has proved itself to a principal of late."""
        return await _is_proved(self._steps, digest=digest)

    async def prove(self, digest: str) -> None:
        """Record that a receiver has proved itself."""
        await _prove(self._steps, digest=digest, ttl_s=PROVED_S)

    async def may_ask_proof(self, digest: str, token: str, most: int) -> bool:
        """Count one more proof asked of a host; False beyond `most` in a minute."""
        return await _ask_proof(
            self._steps, digest=digest, token=token, most=most, within_s=PROOFS_S
        )

    def _claim(self, telling: SubscriptionLease) -> SenderClaim:
        return SenderClaim(telling.subscription_id, telling.lease, self._process)
