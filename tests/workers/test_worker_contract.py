"""What RQ shows of a job and its worker is the same whether RQ's own worker runs it or ours."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from rq import Queue, Worker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from bridge.store.pool import RedisConnections
from tests.waiting import wait_until
from tests.workers import contract_jobs
from workers.worker import AsyncWorker

JOBS = "tests.workers.contract_jobs"

Working = Callable[[str], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def stock(redis_url: str) -> AsyncIterator[None]:
    options = ("--worker-class", "rq.SimpleWorker", "--serializer", "json", "--quiet")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rq.cli", "worker", "--url", redis_url, *options, "bridge"),
        cwd=Path(__file__).parents[2],
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def ours(redis_url: str) -> AsyncIterator[None]:
    functions = (contract_jobs.succeed, contract_jobs.fail, contract_jobs.wait)
    stop = asyncio.Event()
    with RedisConnections(redis_url).blocking() as connection:
        client = AsyncRedis.from_url(redis_url)
        worker = AsyncWorker(
            queues=["bridge"],
            connection=connection,
            client=client,
            jobs={f"{JOBS}.{function.__name__}": function for function in functions},
        )
        running = asyncio.create_task(worker.run(stop, drain_s=5))
        try:
            yield
        finally:
            stop.set()
            await running
            await client.aclose()


@pytest.fixture(params=[stock, ours])
def working(request: pytest.FixtureRequest) -> Working:
    chosen: Working = request.param
    return chosen


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with RedisConnections(redis_url).blocking() as client:
        yield client


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return Queue("bridge", connection=redis, serializer=JSONSerializer)


def enqueue(queue: Queue, name: str, argument: str) -> Job:
    return queue.enqueue(f"{JOBS}.{name}", argument, job_timeout=-1, result_ttl=0, failure_ttl=3600)


def nothing_started(queue: Queue) -> bool:
    return not queue.started_job_registry.get_job_ids()


async def test_a_finished_job_leaves_nothing_behind(
    working: Working, redis_url: str, redis: Redis, queue: Queue
) -> None:
    job = enqueue(queue, "succeed", "it")

    async with working(redis_url):
        await wait_until(lambda: not Job.exists(job.id, redis), "the job is gone")

    assert queue.count == 0
    assert queue.intermediate_queue.get_job_ids() == []
    assert nothing_started(queue)
    assert queue.finished_job_registry.count == queue.failed_job_registry.count == 0
    assert not redis.keys("rq:execution*")


async def test_a_failed_job_stands_in_the_registry_with_its_traceback(
    working: Working, redis_url: str, redis: Redis, queue: Queue
) -> None:
    job = enqueue(queue, "fail", "of no luck")

    async with working(redis_url):
        await wait_until(lambda: job.id in queue.failed_job_registry, "the job has failed")

    result = job.latest_result()
    assert job.get_status() == JobStatus.FAILED
    assert result is not None
    assert result.exc_string is not None
    assert "RuntimeError: of no luck" in result.exc_string
    assert 0 < redis.ttl(job.key) <= 3600
    assert nothing_started(queue)
    assert not redis.keys("rq:execution*")


async def test_a_running_job_is_listed_as_started_by_its_worker(
    working: Working, redis_url: str, redis: Redis, queue: Queue
) -> None:
    job = enqueue(queue, "wait", redis_url)

    async with working(redis_url):
        await wait_until(lambda: job.get_status() == JobStatus.STARTED, "the job has started")
        (worker,) = Worker.all(connection=redis)
        await wait_until(
            lambda: worker.refresh() or worker.get_state() == "busy",  # type: ignore[no-untyped-call]  # RQ has no types for it
            "the worker is busy",
        )

        assert queue.started_job_registry.get_job_ids() == [job.id]
        assert [execution.job_id for execution in worker.get_current_executions()] == [job.id]
        assert worker.current_execution_count == 1
        assert worker.queue_names() == ["bridge"]
        job.refresh()  # type: ignore[no-untyped-call]  # as above
        assert job.worker_name == worker.name
        assert job.started_at is not None
        assert queue.intermediate_queue.get_job_ids() == []

        redis.rpush("gate", "open")
        await wait_until(lambda: not Job.exists(job.id, redis), "the job is gone")
        assert nothing_started(queue)


async def test_a_worker_counts_its_jobs_and_is_off_the_list_when_it_has_left(
    working: Working, redis_url: str, redis: Redis, queue: Queue
) -> None:
    for name in ("succeed", "succeed", "fail"):
        enqueue(queue, name, "it")

    def counts() -> list[tuple[int, int]]:
        workers = Worker.all(connection=redis)
        return [(worker.successful_job_count, worker.failed_job_count) for worker in workers]

    async with working(redis_url):
        await wait_until(lambda: counts() == [(2, 1)], "two successes and a failure were counted")

    assert Worker.all(connection=redis) == []


async def test_an_id_without_a_job_is_passed_over(
    working: Working, redis_url: str, redis: Redis, queue: Queue
) -> None:
    redis.rpush(queue.key, "gone")
    job = enqueue(queue, "succeed", "it")

    async with working(redis_url):
        await wait_until(lambda: not Job.exists(job.id, redis), "the next job is done")

    assert queue.count == 0
