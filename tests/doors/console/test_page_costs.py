"""What each page asks of Redis: bounded, and not more where more is on record."""

import re

from redis.asyncio import Redis

from bridge.console.listing import ROWS
from tests.doors.console.operating import Desktop, desktop
from tests.doors.console.test_subscriptions import subscribe
from tests.screenshots.crowded import crowd

COMMANDS = {
    "": 130,
    "/events": 180,
    "/events?status=dead": 30,
    "/events?server=desk&hook=letters&status=queued&since=1h": 180,
    "/calls": 140,
    "/calls?principal=reader-7&workflow=stamp": 105,
    "/replies": 165,
    "/subscriptions": 18,
    "/processes": 12,
    "/servers": 8,
    "/tokens": 12,
    "/events/{event_id}": 22,
    "/events/{event_id}/values/payload": 9,
    "/calls/{call_id}": 500,
    "/find?id=nothing": 950,
}
"""How many commands a page may have Redis run, those within its steps counted.

A call's page looks through the events that it may have been made for, a search through everything:
some records in each step, for so long and no longer.
"""
ROUNDS = 3
LOOKED_AT_MAX = 10_000
"""How many records a page looks at."""
MANY = 12_000
FOUND_NOWHERE = {
    "/events?q=nothing-of-the-kind": LOOKED_AT_MAX + 600,
    "/events?principal=nobody": LOOKED_AT_MAX + 600,
    "/calls?q=nothing-of-the-kind": LOOKED_AT_MAX + 600,
    "/find?id=nothing-of-the-kind": LOOKED_AT_MAX + 800,
}
"""The same of pages that find nothing: a command for each record that they look at."""
CROWD = 400
"""So many events, and as many calls."""
READERS = 10


async def commands(redis: Redis) -> int:
    """Return how many commands were run, but for this one and for signs of life."""
    stats = await redis.info("commandstats")
    return sum(row["calls"] for name, row in stats.items() if name != "cmdstat_info")


async def cost(desk: Desktop, redis: Redis, path: str) -> int:
    """Return how many commands a page takes at least: others may come between."""
    samples = []
    for _ in range(ROUNDS):
        before = await commands(redis)
        await desk.show(path)
        samples.append(await commands(redis) - before)
    return min(samples)


async def test_no_page_asks_more_of_redis_than_is_its_due(redis_url: str) -> None:
    async with desktop(redis_url) as desk, Redis.from_url(redis_url) as redis:
        await crowd(desk.door.runtime, CROWD, READERS)
        await subscribe(desk, "one")
        ids = {"event_id": await desk.send({"a": 1}), "call_id": await desk.call()}
        await desk.take()
        await desk.log_in()
        await desk.show("")
        found = {path: await cost(desk, redis, path.format(**ids)) for path in COMMANDS}
    assert {path: n for path, n in found.items() if n > COMMANDS[path]} == {}, repr(found)


async def test_a_list_asks_the_same_of_redis_however_many_records_there_are(redis_url: str) -> None:
    async with desktop(redis_url) as desk, Redis.from_url(redis_url) as redis:
        await desk.log_in()
        await crowd(desk.door.runtime, 2 * ROWS, READERS)
        before = {path: await cost(desk, redis, path) for path in ("/events", "/calls")}
        await crowd(desk.door.runtime, 10 * ROWS, READERS)
        after = {path: await cost(desk, redis, path) for path in before}
    for path, count in before.items():
        assert after[path] <= count * 1.2, (before, after)


async def test_a_list_asks_the_same_of_redis_however_many_principals_there_are(
    redis_url: str,
) -> None:
    async with desktop(redis_url) as desk, Redis.from_url(redis_url) as redis:
        await desk.log_in()
        await crowd(desk.door.runtime, 2 * ROWS, READERS)
        before = await cost(desk, redis, "/calls")
        await crowd(desk.door.runtime, 10 * ROWS, 10 * ROWS)
        after = await cost(desk, redis, "/calls")
    assert after <= before * 1.2, (before, after)


async def test_a_page_that_finds_nothing_answers_with_how_far_it_has_looked(
    redis_url: str,
) -> None:
    async with desktop(redis_url) as desk, Redis.from_url(redis_url) as redis:
        await crowd(desk.door.runtime, MANY, READERS)
        await desk.log_in()
        found = {path: await cost(desk, redis, path) for path in FOUND_NOWHERE}
        pages = [await desk.show(path) for path in FOUND_NOWHERE]
        of_call = await desk.show(f"/calls/{await desk.call()}")
        await redis.flushdb()  # what so many records leave takes long to look through
    assert {path: n for path, n in found.items() if n > FOUND_NOWHERE[path]} == {}, repr(found)
    assert re.search(r'href="/console/events\?[^"]*before=\d+">Look on', of_call)
    for path, page in zip(FOUND_NOWHERE, pages, strict=True):
        assert "Nothing found yet" in page, path
        assert ("is not followed" in page) == ("/find" not in path), path
        assert re.search(r"looked back to <time.*</time>, [\d,]+ are left to look at", page), path
