"""A call that nobody waits for any more: only one that was never sent ends for that, after 60 s.

No minute is waited for: what the record says of when somebody waited last is set back.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import pytest
from redis.asyncio import Redis

from bridge.store.keys import PREFIX
from tests.doors.by_hand import (
    Event,
    Message,
    call,
    events,
    notification,
    open_pipe,
    open_session,
    shake_hands,
)
from tests.doors.workshop import NAME, Workshop, open_workshop
from tests.waiting import wait_until

NOT_YET_S, TOO_LONG_S = 45, 61
"""Seconds before and after the 60, the former with room for a slow machine."""

EVERY_S = 0.1
WIRES = ("2026-07-28", "2025-11-25", "2024-11-05")


@pytest.fixture
async def workshop(redis_url: str) -> AsyncIterator[Workshop]:
    async with open_workshop(redis_url, has_worker=False) as opened:
        yield opened


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whoever waits look, and a stream of 2026 begin, sooner than a test would wait for."""
    monkeypatch.setattr("bridge.mcp.wires.streamable_2026.OPEN_WITHIN_S", EVERY_S)
    monkeypatch.setattr("bridge.mcp.workflow_tools.FIRST_S", EVERY_S)
    monkeypatch.setattr("bridge.mcp.workflow_tools.EVERY_S", EVERY_S)


@dataclass(frozen=True)
class Waiting:
    """A client that waits for the result of its call; `key` is that of the call's record."""

    key: str
    answer: AsyncGenerator[Event, None]
    give_up: Callable[[], Awaitable[object]]

    async def result(self) -> Message:
        """Read on to the result."""
        async for event in self.answer:
            if event.data and "result" in event.message:
                result: Message = event.message["result"]
                return result
        raise AssertionError("the stream ended without a result")


@contextlib.asynccontextmanager
async def waiting(workshop: Workshop, redis: Redis, wire: str) -> AsyncIterator[Waiting]:
    """Have a client make a call; it gives up as clients of its wire do: 2026 closes the stream."""
    message, cancel = (
        call("saw", 7, seconds=0.1),
        notification("notifications/cancelled", requestId=7),
    )
    async with contextlib.AsyncExitStack() as stack:
        if wire == "2024-11-05":
            opened = open_pipe(workshop.http, workshop.origin, f"/sse/{NAME}")
            pipe = await stack.enter_async_context(opened)
            await shake_hands(pipe)
            assert (await pipe.post(message)).status_code == 202
            yield Waiting(await record_of(redis), pipe.stream, partial(pipe.post, cancel))
            return
        if wire == "2025-11-25":
            session = await open_session(workshop.http, f"{workshop.origin}/mcp/{NAME}")
            response = await stack.enter_async_context(session.stream(message))
            give_up: Callable[[], Awaitable[object]] = partial(session.post, cancel)
        else:
            stream = workshop.client(takes_tasks=False).stream(message)
            response = await stack.enter_async_context(stream)
            give_up = response.aclose
        async with contextlib.aclosing(events(response)) as answer:
            yield Waiting(await record_of(redis), answer, give_up)


async def record_of(redis: Redis) -> str:
    """Wait until the one call is on record; return the key of its record."""

    async def found() -> list[str]:
        return [key async for key in redis.scan_iter(f"{PREFIX}call:*")]

    await wait_until(found, "the call is on record")
    (key,) = await found()
    return key


async def set_back(redis: Redis, key: str, ago_s: int) -> int:
    """Make it so many seconds longer ago that somebody waited; return when that is, in ms."""
    return int(await redis.hincrby(key, "waited_at", -1000 * ago_s))


async def end_of(redis: Redis, key: str) -> str:
    """Wait until a call has ended; return how."""

    async def has_ended() -> bool:
        return await redis.hget(key, "status") not in {"queued", "running"}

    await wait_until(has_ended, "the end of the call")
    return str(await redis.hget(key, "status"))


async def is_left_alone(redis: Redis, key: str) -> bool:
    """Report whether nobody looked at a call for five times as long as who waits for it does."""
    before = await redis.hget(key, "waited_at")
    await redis.blpop(["{bridge}:nothing"], 5 * EVERY_S)
    return bool(before == await redis.hget(key, "waited_at"))


@pytest.mark.parametrize(("ago_s", "status"), [(NOT_YET_S, "succeeded"), (TOO_LONG_S, "cancelled")])
@pytest.mark.parametrize("wire", WIRES)
async def test_one_that_was_not_sent_ends_when_nobody_has_waited_for_60_seconds(
    workshop: Workshop, redis: Redis, wire: str, ago_s: int, status: str
) -> None:
    async with waiting(workshop, redis, wire) as client:
        await client.give_up()
        await wait_until(lambda: is_left_alone(redis, client.key), "the client waits no longer")
        await set_back(redis, client.key, ago_s)
        async with workshop.working():
            assert await end_of(redis, client.key) == status
    assert len(workshop.n8n.seen.of()) == (status == "succeeded")
    assert ("never sent" in str(await redis.hget(client.key, "failure"))) == (status == "cancelled")


@pytest.mark.parametrize("wire", WIRES)
async def test_one_that_somebody_waits_for_is_sent_however_late_that_is(
    workshop: Workshop, redis: Redis, wire: str
) -> None:
    async with waiting(workshop, redis, wire) as client:
        long_ago_ms = await set_back(redis, client.key, TOO_LONG_S)

        async def is_looked_at() -> bool:
            return int(await redis.hget(client.key, "waited_at") or 0) > long_ago_ms

        await wait_until(is_looked_at, "the client still waits")
        async with workshop.working():
            assert not (await client.result()).get("isError")


@pytest.mark.parametrize("wire", WIRES)
async def test_one_that_was_sent_runs_on_without_anybody(
    workshop: Workshop, redis: Redis, wire: str
) -> None:
    async with waiting(workshop, redis, wire) as client, workshop.working():
        await workshop.sent()
        await client.give_up()
        await set_back(redis, client.key, TOO_LONG_S)
        assert await end_of(redis, client.key) == "succeeded"
