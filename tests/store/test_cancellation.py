"""Who speaks to Redis ends when cancelled, and leaves nothing open."""

import asyncio

from redis.asyncio import Redis

from bridge.store.pool import RedisConnections, connected_to
from bridge.store.steps import Steps
from tests.waiting import wait_until

SOON_S = 10.0
TURNS = 40
"""An answer of Redis takes fewer turns of the loop, so that each of its moments is met."""


async def test_a_cancellation_ends_what_speaks_to_redis_at_whatever_moment_it_comes(
    redis_url: str,
) -> None:
    """Python 3.11 would forget it while it sends."""
    with connected_to(redis_url) as redis:

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


async def are_closed(redis: Redis) -> bool:
    """Report whether no connection is left of those that have the name tried here."""
    return "tried" not in {each["name"] for each in await redis.client_list()}


async def test_what_ends_leaves_no_connection_open_at_whatever_moment_it_is_cancelled(
    redis_url: str, redis: Redis
) -> None:
    used = list[Redis]()  # for what nobody knows any more is closed by the collector

    async def use(is_over: asyncio.Event) -> None:
        with connected_to(f"{redis_url}&client_name=tried") as client:
            used.append(client)
            await asyncio.gather(*(client.ping() for _ in range(3)))
            is_over.set()

    for turns in range(TURNS):
        is_over = asyncio.Event()
        using = asyncio.create_task(use(is_over))
        await asyncio.wait_for(is_over.wait(), SOON_S)
        for _ in range(turns):
            await asyncio.sleep(0)
        using.cancel()
        await asyncio.gather(using, return_exceptions=True)
    await wait_until(lambda: are_closed(redis), "all are closed")


async def test_a_process_leaves_no_connection_open_of_its_threads_either(
    redis_url: str, redis: Redis
) -> None:
    connections = RedisConnections(f"{redis_url}&client_name=tried")
    blocking = connections.blocking(SOON_S)
    async with connections.following(Steps(connections.client, SOON_S)):
        assert await connections.client.ping()
        assert await asyncio.to_thread(blocking.ping)

    await wait_until(lambda: are_closed(redis), "all are closed")
