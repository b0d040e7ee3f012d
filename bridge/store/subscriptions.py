"""Webhook subscriptions on record: who is told what, how far, and by which process just now."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.models import LeaseToken, Principal, ProcessId, SubscriptionId
from bridge.store import subscription_steps as step
from bridge.store.scripts import Answer, Script
from bridge.store.steps import Steps

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
    """The right to tell a receiver what lies behind `cursor`; `has_gap`: some before it is not told."""

    subscription_id: SubscriptionId
    lease: LeaseToken
    principal: Principal
    hook: str
    token: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    cursor: str
    has_gap: bool


class SubscriptionStore:
    """Speaks Redis for subscriptions."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self._process = process

    async def keep(self, wish: NewSubscription, most: int) -> StoredSubscription | None:
        """Begin or renew a subscription; None where the principal has `most` others."""
        row = await self._steps.run(
            step.KEEP,
            id=wish.subscription_id,
            server=wish.principal.server,
            hook=wish.hook,
            principal=wish.principal.name,
            token=wish.token,
            url=wish.url,
            secret=wish.secret,
            cursor=wish.cursor,
            ttl_ms=round(wish.ttl_s * 1000),
            most=most,
        )
        return _kept(row) if row else None

    async def forget(self, subscription_id: SubscriptionId) -> bool:
        """End a subscription; False where there is none."""
        return await self._steps.run(step.FORGET, id=subscription_id) == [b"forgotten"]

    async def lease(
        self, subscription_id: SubscriptionId, token: LeaseToken
    ) -> SubscriptionLease | None:
        """Become the one who tells; None where another does, or there is nothing to do."""
        row = await self._steps.run(
            step.LEASE, id=subscription_id, token=token, process=self._process
        )
        if not row:
            return None
        server, hook, principal, digest, url, secret, old, cursor, gap = (
            text.decode() for text in row
        )
        return SubscriptionLease(
            subscription_id=subscription_id,
            lease=token,
            principal=Principal(server, principal),
            hook=hook,
            token=digest,
            url=url,
            secrets=(secret, old) if old else (secret,),
            cursor=cursor,
            has_gap=gap == "1",
        )

    async def advance(self, telling: SubscriptionLease, cursor: str, *, is_delivered: bool) -> bool:
        """Record that all up to `cursor` is told, or never will be; False: the lease was lost."""
        answer = await self._settle(
            step.ADVANCE, telling, cursor=cursor, is_delivered=int(is_delivered)
        )
        return answer == "advanced"

    async def fail(
        self, telling: SubscriptionLease, order: str, error: str, pauses_s: Sequence[float]
    ) -> str:
        """Record that what stands at `order` was not taken; empty for what tells of no event.

        Gives what becomes of it: `again` after the pause that is next, `suspended` once there is
        none, `given up` where that has been so before, or `lost`.
        """
        pauses = json.dumps([round(pause_s * 1000) for pause_s in pauses_s])
        return await self._settle(step.FAIL, telling, order=order, error=error, pauses=pauses)

    async def done(self, telling: SubscriptionLease, cursor: str) -> None:
        """Return the right back: all up to `cursor` is told."""
        await self._settle(step.DONE, telling, cursor=cursor)

    async def abandon(self, subscription_id: str, token: str) -> None:
        """Let another process tell on; what was sent last may be sent again."""
        await self._steps.run(step.ABANDON, id=subscription_id, token=token, process=self._process)

    async def sweep(self, limit: int, again_s: float) -> list[str]:
        """Name those that are due; they are due again after `again_s`."""
        due = await self._steps.run(step.SWEEP, limit=limit, again_ms=round(again_s * 1000))
        return [subscription_id.decode() for subscription_id in due]

    async def is_proved(self, digest: str) -> bool:
        """Report whether a receiver has proved itself to a principal of late."""
        (found,) = await self._steps.run(step.PROVED, digest=digest)
        return found is not None

    async def prove(self, digest: str) -> None:
        """Record that a receiver has proved itself."""
        await self._steps.run(step.PROVE, digest=digest)

    async def may_ask_proof(self, digest: str, token: str, most: int) -> bool:
        """Count one more proof asked of a host; False beyond `most` in a minute."""
        return bool(await self._steps.run(step.ASK_PROOF, digest=digest, token=token, most=most))

    async def _settle(self, script: Script, telling: SubscriptionLease, **values: str | int) -> str:
        (answer,) = await self._steps.run(
            script,
            id=telling.subscription_id,
            token=telling.lease,
            process=self._process,
            **values,
        )
        return str(answer.decode())


def _kept(row: Answer) -> StoredSubscription:
    cursor, expires_at, is_old, suspended, last_delivery_at, last_error, failed_since = (
        text.decode() for text in row
    )
    return StoredSubscription(
        cursor=cursor,
        expires_at_ms=int(expires_at),
        is_old=is_old == "1",
        was_suspended=suspended == "1",
        last_delivery_at_ms=int(last_delivery_at) if last_delivery_at else None,
        last_error=last_error or None,
        failed_since_ms=int(failed_since) if failed_since else None,
    )
