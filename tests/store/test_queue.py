"""A wake-up carries an id to the queue, in one round trip, and carries nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from rq.job import Job
from rq.queue import Queue as RqQueue
from rq.serializers import JSONSerializer

from bridge.queue import QUEUE_NAME, Queue, WakeUp, job_id_of, wake_up_of
from bridge.store.pool import RedisConnections
from tests.waiting import wait_until


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


def enqueued(redis_url: str) -> list[Job]:
    """Read the queue as RQ does."""
    with RedisConnections(redis_url).blocking() as connection:
        return RqQueue(QUEUE_NAME, connection=connection, serializer=JSONSerializer).get_jobs()


async def test_a_wake_up_is_one_job_for_each_id_in_order(redis: Redis, redis_url: str) -> None:
    await Queue(redis).wake("run_call", "call_a", "call_b")
    await Queue(redis).wake("deliver_reply", "evt_c")

    jobs = enqueued(redis_url)

    assert [(job.func_name, job.args, job.kwargs) for job in jobs] == [
        ("workers.jobs.run_call", ["call_a"], {}),
        ("workers.jobs.run_call", ["call_b"], {}),
        ("workers.jobs.deliver_reply", ["evt_c"], {}),
    ]
    assert len({job.id for job in jobs}) == 3
    assert all(json.loads(job.data) for job in jobs)


async def test_the_id_of_a_job_says_all_that_a_worker_must_know(
    redis: Redis, redis_url: str
) -> None:
    call_id = "call_-with_dashes-and_more-"
    await Queue(redis).wake("run_call", call_id)

    (job,) = enqueued(redis_url)

    assert wake_up_of(job.id) == WakeUp("run_call", call_id)


def test_the_id_of_a_job_may_carry_a_hint() -> None:
    wake_up = WakeUp("run_call", "call_-a-", hint="0a1b2c3d")

    assert wake_up_of(job_id_of(wake_up)) == wake_up


def test_the_id_of_a_job_of_another_version_says_nothing() -> None:
    assert wake_up_of("1b4e28ba-2fa1-11d2-883f-0016d3cca427") is None
    assert wake_up_of("run_call-") is None
    assert wake_up_of("") is None


async def test_a_wake_up_has_no_timeout_no_result_and_no_retry(
    redis: Redis, redis_url: str
) -> None:
    await Queue(redis).wake("run_call", "call_a")

    (job,) = enqueued(redis_url)

    assert (job.timeout, job.result_ttl, job.failure_ttl, job.ttl) == (-1, 0, 3600, None)
    assert job.retries_left is None
    assert job.get_status() == "queued"


async def test_a_wake_up_opens_no_connection_beside_the_processs_own(redis: Redis) -> None:
    await redis.ping()
    before = await redis.info("stats")

    await Queue(redis).wake("run_call", *(f"call_{number}" for number in range(100)))

    after = await redis.info("stats")
    assert after["total_connections_received"] == before["total_connections_received"]
    assert after["total_reads_processed"] - before["total_reads_processed"] < 10


async def test_wake_ups_that_come_at_once_share_their_round_trips(
    redis: Redis, redis_url: str
) -> None:
    queue = Queue(redis)
    before = await redis.info("stats")

    await asyncio.gather(*(queue.wake("run_call", f"call_{number}") for number in range(100)))

    after = await redis.info("stats")
    assert len(enqueued(redis_url)) == 100
    assert after["total_reads_processed"] - before["total_reads_processed"] < 10


async def test_a_caller_that_leaves_takes_no_wake_up_with_it(redis: Redis, redis_url: str) -> None:
    queue = Queue(redis)
    first, *others = [asyncio.create_task(queue.wake("run_call", name)) for name in "abc"]
    await asyncio.sleep(0)

    first.cancel()

    await asyncio.gather(*others)
    await wait_until(lambda: len(enqueued(redis_url)) == 3, "three jobs are in the queue")
    assert first.cancelled()


async def test_a_wake_up_without_ids_says_nothing_to_redis(redis: Redis) -> None:
    await Queue(redis).wake("run_call")

    assert await redis.keys("*") == []


async def test_a_wake_up_that_is_not_taken_is_noted_and_hurts_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Redis.from_url(f"unix://{tmp_path}/nobody.sock") as client:
        await Queue(client).wake("run_call", "call_a")

    assert caplog.messages == ["queue.wake_lost"]
