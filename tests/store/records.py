"""Records to begin a test with, as the verbs would write them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import fsdecode
from typing import Any

from redis.asyncio import Redis

from bridge.models import (
    Body,
    Event,
    EventId,
    EventStatus,
    LeaseRef,
    LeaseToken,
    Principal,
    ProcessId,
    new_event_id,
    new_lease_token,
)
from bridge.store.calls import CallStore
from bridge.store.claims import ClaimRequest, ClaimStore
from bridge.store.events import EventStore, NewEvent
from bridge.store.keys import PREFIX
from bridge.store.processes import ProcessStore
from bridge.store.replies import ReplyStore
from bridge.store.runs import RunStore
from bridge.store.steps import Steps

SERVER = "support"
HOOK = "ticket"
ALICE = Principal(SERVER, "alice")
BOB = Principal(SERVER, "bob")
STRANGER = Principal("sales", "alice")
WEB = ProcessId("web-1")
WORKER = ProcessId("worker-1")
ADDRESS = "http://n8n:5678/webhook-waiting/7"

HOSTILE = (
    "",
    "'",
    '"]}',
    "evt_\0",
    "a\nb\r\nc",
    "*",
    "{bridge}:order",
    "'; return redis.call('FLUSHALL') --",
    "\ud800",
    "🦀" * 1000,
    "x" * 1_000_000,
)
"""Ids that nobody ever gave out."""


def new_event(body: bytes = b"{}", **changes: Any) -> NewEvent:
    """Describe an event of the hook `ticket`; `changes` name what shall differ."""
    usual: dict[str, Any] = {
        "event_id": new_event_id(),
        "server": SERVER,
        "hook": HOOK,
        "body": Body(body, "application/json"),
        "summary": "{}",
        "digest": "same",
        "idempotency": "",
        "reply_url": "",
        "reply_deadline": "",
        "default_reply": "",
        "lease_s": 60,
        "max_attempts": 3,
        "answer_within_s": 600,
        "ttl_s": 600,
    }
    return NewEvent(**(usual | changes))


def wish(
    *,
    only: str | None = None,
    waiter: str = "",
    hooks: Mapping[str, int] | None = None,
    most: int = 1000,
) -> ClaimRequest:
    """Ask for an event of `hooks` (name -> priority); a named waiter waits in line."""
    asked = {HOOK: 0} if hooks is None else hooks
    wait_s = 60 if waiter else 0
    return ClaimRequest(SERVER, tuple(asked.items()), (only,) if only else (), waiter, wait_s, most)


def token_of(waiter: str) -> LeaseToken:
    """Return the token with which a waiter takes."""
    return LeaseToken(f"token of {waiter}".replace(":", "-"))


@dataclass(frozen=True)
class Desk:
    """The stores of one process, and Redis itself to look behind them."""

    redis: Redis
    steps: Steps
    process: ProcessId
    events: EventStore
    claims: ClaimStore
    replies: ReplyStore
    calls: CallStore
    runs: RunStore
    processes: ProcessStore

    async def accept(self, body: bytes = b"{}", **changes: Any) -> Event:
        """Put an event on record."""
        outcome, event = await self.events.accept(new_event(body, **changes))
        assert outcome == "accepted"
        assert event
        return event

    async def take(
        self, asked: ClaimRequest | None = None, principal: Principal = ALICE
    ) -> LeaseRef | None:
        """Take an event without waiting longer than one look; a waiter has one token for all."""
        asked = asked or wish()
        token = token_of(asked.waiter) if asked.waiter else new_lease_token()
        found = await self.claims.take(asked, principal, token)
        return LeaseRef(found[0].event_id, token, principal) if found else None

    async def taken(self, **changes: Any) -> LeaseRef:
        """Put an event on record and take it."""
        await self.accept(**changes)
        held = await self.take()
        assert held
        return held

    async def status(self, event_id: EventId) -> EventStatus:
        """Read where an event stands."""
        event = await self.events.read(event_id)
        assert event
        return event.status

    async def held(self) -> set[str]:
        """Read what the process holds, a `kind id token` each."""
        return {
            fsdecode(what) for what in await self.redis.smembers(f"{PREFIX}held:{self.process}")
        }

    async def everything(self) -> dict[str, object]:
        """Read all keys of the bridge but its clock-like ones, to compare before with after."""
        found: dict[str, object] = {}
        async for key in self.redis.scan_iter(f"{PREFIX}*"):
            name = fsdecode(key).removeprefix(PREFIX)
            if not name.startswith(("processes", "taken", "order")):
                found[name] = await contents(self.redis, key)
        return found


async def contents(redis: Redis, key: bytes) -> object:
    """Read a key of any type."""
    match await redis.type(key):
        case b"hash":
            return await redis.hgetall(key)
        case b"set":
            return await redis.smembers(key)
        case b"zset":
            return await redis.zrange(key, 0, -1, withscores=True)
        case _:
            return await redis.dump(key)


@asynccontextmanager
async def desk(
    redis: Redis, process: ProcessId, patience_s: float = 60, replicas_min: int = 0
) -> AsyncIterator[Desk]:
    """Open the stores of a process that has just beaten."""
    steps = Steps(redis, patience_s, replicas_min=replicas_min)
    async with steps.running():
        processes = ProcessStore(steps, process)
        await processes.beat()
        yield Desk(
            redis,
            steps,
            process,
            EventStore(steps),
            ClaimStore(steps, process),
            ReplyStore(steps, process),
            CallStore(steps),
            RunStore(steps, process),
            processes,
        )


def held(event: Event, token: str = "none", principal: Principal = ALICE) -> LeaseRef:
    """Claim an event, rightly or not."""
    return LeaseRef(event.event_id, LeaseToken(token), principal)
