"""Round trips: one connection, made when it is needed, and an end to each wait."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bridge.local.valkey import EmbeddedValkey
from bridge.store.pool import RedisConnections
from bridge.store.round_trips import RoundTrips
from tests.waiting import wait_until

ANSWER_S = 0.5
TURNS_MAX = 200
PING = ("PING",)


@pytest.fixture
async def round_trips(redis_url: str) -> AsyncIterator[RoundTrips]:
    async with (
        Redis.from_url(redis_url, socket_timeout=ANSWER_S, client_name="tried") as client,
        RoundTrips(client) as made,
    ):
        yield made


def waiting(seconds: float) -> tuple[str, str, float]:
    """Return a command that Redis answers after so long."""
    return ("BLPOP", "a list that there is not", seconds)


async def connections(redis: Redis) -> list[str]:
    """Name the connections that are tried here."""
    return [client["id"] for client in await redis.client_list() if client["name"] == "tried"]


async def test_commands_are_answered_in_order_an_error_in_the_place_of_its_own(
    round_trips: RoundTrips,
) -> None:
    first, error, last = await round_trips.take([("ECHO", b"1"), ("NO SUCH",), ("ECHO", "2")])

    assert (first, last) == (b"1", b"2")
    assert isinstance(error, ResponseError)


async def test_all_round_trips_go_by_one_connection(round_trips: RoundTrips, redis: Redis) -> None:
    await round_trips.take([PING])
    made = await connections(redis)
    for _ in range(3):
        await round_trips.take([PING, PING])

    assert await connections(redis) == made
    assert len(made) == 1


async def test_a_connection_that_ended_while_idle_is_made_anew_and_nobody_notices(
    round_trips: RoundTrips, redis: Redis
) -> None:
    await round_trips.take([PING])
    (ended,) = await connections(redis)
    await redis.client_kill_filter(_id=ended)

    async def has_ended() -> bool:
        return not await connections(redis)

    await wait_until(has_ended, "the connection has ended")
    assert len(await round_trips.take([PING])) == 1
    assert await connections(redis) != [ended]


async def test_each_answer_may_take_as_long_as_the_first(round_trips: RoundTrips) -> None:
    assert await round_trips.take([waiting(0.6 * ANSWER_S)] * 2) == [None, None]


async def test_an_answer_that_does_not_come_ends_the_wait_and_is_not_taken_for_the_next(
    round_trips: RoundTrips,
) -> None:
    with pytest.raises(RedisTimeoutError):
        await round_trips.take([waiting(3 * ANSWER_S)])

    assert await round_trips.take([("ECHO", "next")]) == [b"next"]


async def test_an_answer_that_nobody_waits_for_any_more_is_not_taken_for_the_next(
    round_trips: RoundTrips,
) -> None:
    taking = asyncio.create_task(round_trips.take([waiting(0.2 * ANSWER_S)]))
    await asyncio.wait([taking], timeout=0.1 * ANSWER_S)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)

    assert await round_trips.take([("ECHO", "next")]) == [b"next"]


async def test_whenever_a_round_trip_is_cancelled_the_next_has_answers_of_its_own(
    redis_url: str,
) -> None:
    """The first is cancelled before it begins, then one turn of the loop later each time."""
    long = b"x" * 200_000  # is sent and read in several pieces
    async with Redis.from_url(redis_url) as client, RoundTrips(client) as round_trips:
        for turns in range(TURNS_MAX):
            taking = asyncio.create_task(round_trips.take([("ECHO", long)] * 2))
            for _ in range(turns):
                await asyncio.sleep(0)
            is_whole = taking.done()
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            own = [("ECHO", b"%d" % turns), ("ECHO", b"next")]
            assert await round_trips.take(own) == [echo for _, echo in own]
            if is_whole:
                return
        pytest.fail("no round trip was whole before it was to be cancelled")


async def test_what_has_not_arrived_when_it_is_given_up_never_does(tmp_path: Path) -> None:
    more_than_is_held = b"x" * 64 * 1024 * 1024
    async with EmbeddedValkey(tmp_path, tcp=True) as valkey:
        client = RedisConnections(valkey.url).client
        async with client, RoundTrips(client) as round_trips:
            (told,) = await round_trips.take([("CLIENT", "ID")])
            pid = (await client.info("server"))["process_id"]
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await round_trips.take([("SET", "late", more_than_is_held)])
            os.kill(pid, signal.SIGCONT)

            async def has_ended() -> bool:
                return told not in {int(each["id"]) for each in await client.client_list()}

            await wait_until(has_ended, "the connection has ended")
            assert not await client.exists("late")
