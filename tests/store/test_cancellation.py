"""Who speaks to Redis ends when cancelled; Python 3.11 would forget that while it sends."""

import asyncio

from redis.asyncio import Redis

from bridge.store.pool import open_pool

SOON_S = 5.0
TURNS = 40
"""An answer of Redis takes fewer turns of the loop, so that each of its moments is met."""


async def test_a_cancellation_ends_what_speaks_to_redis_at_whatever_moment_it_comes(
    redis_url: str,
) -> None:
    async with Redis.from_pool(open_pool(redis_url)) as redis:

        async def ask_on(*, is_over: bool) -> None:
            if is_over and (task := asyncio.current_task()):
                task.cancel()
            while True:
                await redis.ping()

        for turns in range(TURNS):
            asking = asyncio.create_task(ask_on(is_over=not turns))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            done, _ = await asyncio.wait({asking}, timeout=SOON_S)
            assert done, f"it goes on, cancelled after {turns} turns"
            assert asking.cancelled()
        assert await redis.ping()
