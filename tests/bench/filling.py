"""How much is put into a store at once: by the very steps that requests end in, many in flight."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bridge.mcp.wires.streamable_2025 import WIRE
from bridge.models import Body, Principal, Session, new_event_id
from bridge.store.events import EventStore, NewEvent
from bridge.store.pool import connected_to
from bridge.store.sessions import SessionLimits, SessionStore, new_session_id
from bridge.store.steps import BATCH_MAX, Steps
from tests.bench.stage import CLAUDE_NAME, Stage
from tests.waiting import wait_until

DAY_S = 86400
PATIENCE_S = 60.0
SETTLED_S = 600.0


def new_event(body: bytes) -> NewEvent:
    """Return an event as a hook of the bench's server writes it for this payload."""
    return NewEvent(
        event_id=new_event_id(),
        server="demo",
        hook="question",
        body=Body(body, "application/json"),
        summary=body[:200].decode(),
        digest="",
        idempotency="",
        reply_url="",
        reply_deadline="",
        default_reply="",
        lease_s=900,
        max_attempts=5,
        answer_within_s=14 * DAY_S,
        ttl_s=14 * DAY_S,
    )


async def fill_events(stage: Stage, body: bytes, count: int) -> None:
    """Have so many more events wait in the queue of the one hook."""
    async with _steps(stage) as steps:
        events = EventStore(steps)
        await _repeated(lambda: events.accept(new_event(body)), count)


async def fill_sessions(stage: Stage, version: str, count: int) -> None:
    """Have so many more sessions of the one client on record, as a handshake of 2025 leaves one."""
    limits = SessionLimits(of_principal=2 * count, of_all=2 * count)
    client, info = Principal("demo", CLAUDE_NAME), {"name": "bench", "version": "1"}
    async with _steps(stage) as steps:
        sessions = SessionStore(steps, limits)

        def write() -> Awaitable[None]:
            return sessions.write(
                Session(new_session_id(), client, WIRE, "", version, info, capabilities={})
            )

        await _repeated(write, count)


async def _repeated(step: Callable[[], Awaitable[object]], count: int) -> None:
    """Take a step so many times, as many in one round trip as a web process ever sends."""
    while count > 0:
        await asyncio.gather(*(step() for _ in range(min(count, BATCH_MAX))))
        count -= BATCH_MAX


@asynccontextmanager
async def _steps(stage: Stage) -> AsyncIterator[Steps]:
    """Run steps on the Valkey of a stage; wait until it has rewritten the log that grew by it."""
    with connected_to(stage.redis_url) as redis:
        steps = Steps(redis, PATIENCE_S)
        async with steps.running():
            yield steps

        async def is_settled() -> bool:
            found = await redis.info("persistence")
            return not (found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])

        await wait_until(is_settled, "the log is rewritten", SETTLED_S)
