"""The worker runs what it was given and nothing else, and no drain or outage loses a job."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis
from rq import Callback, Queue, Worker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from bridge.local.valkey import EmbeddedValkey
from bridge.queue import QUEUE_NAME, WakeUp, job_id_of
from bridge.store.pool import RedisConnections, connected_to
from tests.waiting import wait_until
from tests.workers import contract_jobs
from workers import bookkeeping
from workers.worker import AsyncWorker, JobFunction, printable


class Gate:
    """A job that runs until the gate is opened, and remembers who came and who got through."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.passed: list[str] = []
        self.opened = asyncio.Event()

    async def __call__(self, who: str) -> None:
        self.entered.append(who)
        await self.opened.wait()
        self.passed.append(who)


@asynccontextmanager
async def new_worker(
    redis: Redis, jobs: Mapping[str, JobFunction], concurrency: int = 1000
) -> AsyncIterator[AsyncWorker]:
    """Make a worker, connected as the one of this blocking client is."""
    said = redis.connection_pool.connection_kwargs
    address = f"unix://{said['path']}" if "path" in said else "redis://{host}:{port}".format(**said)
    with connected_to(address) as client:
        yield AsyncWorker([QUEUE_NAME], redis, client, jobs, concurrency)


@asynccontextmanager
async def working(
    redis: Redis, jobs: Mapping[str, JobFunction], concurrency: int = 1000, drain_s: float = 5
) -> AsyncIterator[AsyncWorker]:
    """Have a worker at work while the block lasts, and drained after it."""
    stop = asyncio.Event()
    async with new_worker(redis, jobs, concurrency) as worker:
        running = asyncio.create_task(worker.run(stop, drain_s))
        try:
            yield worker
        finally:
            stop.set()
            await running


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a worker look often whether it shall end."""
    monkeypatch.setattr(bookkeeping, "TAKE_WAIT_S", 0.05)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with RedisConnections(redis_url).blocking() as client:
        yield client


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return queue_of(redis)


def queue_of(redis: Redis) -> Queue:
    return Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)


def enqueue(queue: Queue, name: str, argument: str = "it", **options: object) -> Job:
    return queue.enqueue(name, argument, job_timeout=-1, result_ttl=0, failure_ttl=3600, **options)


def gone(job: Job) -> Callable[[], bool]:
    return lambda: not Job.exists(job.id, job.connection)


def fault_of(job: Job) -> str:
    result = job.latest_result()
    assert result is not None
    return result.exc_string or ""


async def succeed(_: str) -> None:
    return


async def test_a_function_that_is_not_on_the_list_is_neither_run_nor_imported(
    redis: Redis, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tripwire.py").write_text("async def spring(_): ...")
    monkeypatch.syspath_prepend(tmp_path)
    job = enqueue(queue, "tripwire.spring")

    async with working(redis, {"succeed": succeed}):
        await wait_until(lambda: job.id in queue.failed_job_registry, "the job has failed")

    assert "'tripwire.spring' is not a job of this worker" in fault_of(job)
    assert "tripwire" not in sys.modules


async def test_a_job_cannot_name_a_callback(redis: Redis, queue: Queue) -> None:
    callback = Callback("tests.workers.contract_jobs.leave_mark")
    failing = enqueue(queue, "unknown", on_failure=callback)
    passing = enqueue(queue, "succeed", on_success=callback)

    async with working(redis, {"succeed": succeed}):
        await wait_until(lambda: failing.id in queue.failed_job_registry, "the job has failed")
        await wait_until(gone(passing), "the other job is done")

    assert contract_jobs.marks == []


async def test_a_dead_workers_job_is_set_aside_and_its_callback_not_called(
    redis: Redis, queue: Queue
) -> None:
    job = enqueue(queue, "succeed", on_failure=Callback("tests.workers.contract_jobs.leave_mark"))
    async with new_worker(redis, {}) as dead, dead._books, new_worker(redis, {}) as other:
        (started,) = await dead._books.read(await dead._books.take(1))
        await dead._books.tell()
        redis.zadd(queue.started_job_registry.key, {started.execution().composite_key: 1})

        await other._books.clean()

    assert queue.failed_job_registry.get_job_ids() == [job.id]
    assert "AbandonedJobError" in fault_of(job)
    assert contract_jobs.marks == []


async def test_a_job_that_raises_is_logged_once_and_the_next_one_runs(
    redis: Redis, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: str) -> None:
        raise RuntimeError("no luck")

    failing, passing = enqueue(queue, "fail"), enqueue(queue, "succeed")

    async with working(redis, {"fail": fail, "succeed": succeed}):
        await wait_until(lambda: failing.id in queue.failed_job_registry, "the job has failed")
        await wait_until(gone(passing), "the next job is done")

    assert "RuntimeError: no luck" in fault_of(failing)
    assert [record.message for record in caplog.records if record.exc_info] == ["worker.job_failed"]


def test_half_a_surrogate_pair_is_written_out_for_redis() -> None:
    assert printable("half a pair: \ud83d") == r"half a pair: \ud83d"


async def test_a_job_that_runs_into_somebody_elses_cancellation_has_failed(
    redis: Redis, queue: Queue
) -> None:
    async def meet_cancellation(_: str) -> None:
        raise asyncio.CancelledError

    job = enqueue(queue, "meet")

    async with working(redis, {"meet": meet_cancellation}):
        await wait_until(lambda: job.id in queue.failed_job_registry, "the job has failed")

    assert "CancelledError" in fault_of(job)


async def test_a_job_whose_record_cannot_be_read_does_not_hold_up_the_others(
    redis: Redis, queue: Queue
) -> None:
    unreadable, passing = enqueue(queue, "succeed"), enqueue(queue, "succeed")
    redis.hset(unreadable.key, "result_ttl", "soon")

    async with working(redis, {"succeed": succeed}):
        await wait_until(gone(passing), "the next job is done")

    assert queue.intermediate_queue.get_job_ids() == []


async def test_a_job_whose_id_says_what_it_is_runs_unread(redis: Redis, queue: Queue) -> None:
    gate = Gate()
    redis.rpush(queue.key, job_id_of(WakeUp("run_call", "call_a")))

    async with working(redis, {"workers.jobs.run_call": gate}):
        await wait_until(lambda: gate.entered == ["call_a"], "the job runs")
        gate.opened.set()

    assert queue.intermediate_queue.get_job_ids() == []


async def test_of_a_job_that_ends_soon_rq_hears_only_that(redis: Redis, queue: Queue) -> None:
    async with working(redis, {"succeed": succeed}) as worker:
        await wait_until(lambda: Worker.all(connection=redis), "the worker is on record")
        redis.config_resetstat()
        jobs = [enqueue(queue, "succeed") for _ in range(20)]
        await wait_until(lambda: not redis.exists(*(job.key for job in jobs)), "all are done")

        assert "cmdstat_zadd" not in redis.info("commandstats")
        (seen,) = Worker.all(connection=redis)
        assert (seen.name, seen.successful_job_count) == (worker.name, len(jobs))
    assert queue.intermediate_queue.get_job_ids() == []


async def test_what_fails_soon_stands_in_the_registry_as_if_it_had_been_listed(
    redis: Redis, queue: Queue
) -> None:
    async def fail(_: str) -> None:
        raise RuntimeError("no luck")

    job_id = job_id_of(WakeUp("run_call", "call_a"))
    redis.rpush(queue.key, job_id)

    async with working(redis, {"workers.jobs.run_call": fail}):
        await wait_until(lambda: job_id in queue.failed_job_registry, "the job has failed")

    job = Job.fetch(job_id, redis, JSONSerializer)
    assert (job.func_name, job.args) == ("workers.jobs.run_call", ["call_a"])
    assert "no luck" in fault_of(job)
    assert 0 < redis.ttl(job.key) <= 3600


async def test_no_more_jobs_run_at_once_than_the_worker_may(redis: Redis, queue: Queue) -> None:
    gate = Gate()
    for who in "abcde":
        enqueue(queue, "gate", who)

    async with working(redis, {"gate": gate}, concurrency=2):
        await wait_until(lambda: len(gate.entered) == 2, "two jobs run")
        assert queue.count == 3
        gate.opened.set()
        await wait_until(lambda: len(gate.passed) == 5, "all jobs ran")

    assert gate.entered == list("abcde")
    assert queue.count == 0


async def test_a_drain_waits_for_what_runs_and_takes_nothing_more(
    redis: Redis, queue: Queue
) -> None:
    gate = Gate()
    enqueue(queue, "gate", "first")
    stop = asyncio.Event()
    async with new_worker(redis, {"gate": gate}, 1) as worker:
        running = asyncio.create_task(worker.run(stop, drain_s=20))
        await wait_until(lambda: gate.entered, "the first job runs")
        second = enqueue(queue, "gate", "second")

        stop.set()
        asyncio.get_running_loop().call_later(0.1, gate.opened.set)
        await running

    assert gate.passed == ["first"]
    assert queue.get_job_ids() == [second.id]


async def test_a_drain_hands_unfinished_jobs_back_to_the_front_in_order(
    redis: Redis, queue: Queue
) -> None:
    gate = Gate()
    jobs = [enqueue(queue, "gate", who) for who in "abc"]

    async with working(redis, {"gate": gate}, concurrency=2, drain_s=0):
        await wait_until(lambda: len(gate.entered) == 2, "two jobs run")

    assert queue.get_job_ids() == [job.id for job in jobs]
    assert {job.get_status() for job in jobs} == {JobStatus.QUEUED}
    assert queue.started_job_registry.count == queue.failed_job_registry.count == 0
    assert not redis.keys("rq:execution*")
    assert not Worker.all(connection=redis)

    gate.opened.set()
    async with working(redis, {"gate": gate}):
        await wait_until(lambda: sorted(gate.passed) == ["a", "b", "c"], "the next worker ran them")


async def test_jobs_outlive_a_redis_that_is_killed(tmp_path: Path) -> None:
    gate = Gate()
    async with EmbeddedValkey(tmp_path) as server:
        with RedisConnections(server.url).blocking() as redis:
            queue = queue_of(redis)
            for number in range(100):
                enqueue(queue, "gate", f"early {number}")
            async with working(redis, {"gate": gate}, concurrency=80):
                await wait_until(lambda: len(gate.entered) == 80, "all that may run do")
                os.kill(redis.info("server")["process_id"], signal.SIGKILL)
                await server.wait()
                gate.opened.set()
                await wait_until(lambda: len(gate.passed) == 80, "jobs end without Redis")

                await server.start()
                last = enqueue(queue, "gate", "late")
                await wait_until(gone(last), "the last job is done")
                await wait_until(lambda: not redis.keys("rq:job:*"), "all endings are on record")

            assert len(gate.passed) == len(set(gate.passed)) == 101
            assert queue.started_job_registry.count == queue.failed_job_registry.count == 0


async def test_a_redis_that_is_away_just_as_a_worker_is_made_is_waited_for(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server:
        with RedisConnections(server.url).blocking() as redis:
            await server.stop()
            async with working(redis, {"succeed": succeed}):
                await server.start()
                await wait_until(gone(enqueue(queue_of(redis), "succeed")), "the job is done")


async def test_a_redis_that_stays_away_does_not_hold_up_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What runs has the time to drain and no more; a worker that holds nothing does not use it."""

    async def lose(folder: str, number: signal.Signals, drain_s: float, jobs: int) -> None:
        gate = Gate()
        async with EmbeddedValkey(tmp_path / folder) as server:
            with RedisConnections(server.url).blocking() as redis:
                pid = redis.info("server")["process_id"]
                for _ in range(jobs):
                    enqueue(queue_of(redis), "gate")
                try:
                    async with asyncio.timeout(30), working(redis, {"gate": gate}, drain_s=drain_s):
                        await wait_until(lambda: len(gate.entered) == jobs, "the jobs run")
                        os.kill(pid, number)
                finally:
                    if number == signal.SIGSTOP:
                        os.kill(pid, signal.SIGCONT)

    killed, hangs = signal.SIGKILL, signal.SIGSTOP
    await asyncio.gather(
        lose("killed", killed, 0, 1),
        lose("killed idle", killed, 600, 0),
        lose("hanging", hangs, 0, 1),
        lose("hanging idle", hangs, 600, 0),
    )
    told = [each for each in caplog.records if each.message == "worker.drain_incomplete"]
    assert sorted(vars(each)["held"] for each in told) == [0, 0, 1, 1]
    for each in told:
        assert "the store does not answer" in vars(each)["reason"]
        assert each.exc_info is None


async def test_what_runs_has_the_whole_time_to_drain_though_redis_is_away(tmp_path: Path) -> None:
    gate = Gate()
    async with EmbeddedValkey(tmp_path) as server:
        with RedisConnections(server.url).blocking() as redis:
            enqueue(queue_of(redis), "gate")
            async with asyncio.timeout(30), working(redis, {"gate": gate}, drain_s=600):
                await wait_until(lambda: gate.entered, "the job runs")
                await server.stop()
                asyncio.get_running_loop().call_later(0.5, gate.opened.set)
    assert gate.passed == ["it"]


async def test_a_renewal_puts_back_what_redis_forgot(redis: Redis, queue: Queue) -> None:
    gate = Gate()
    job = enqueue(queue, "gate")

    async with working(redis, {"gate": gate}) as worker:
        await wait_until(lambda: queue.started_job_registry.count, "RQ knows that the job runs")
        redis.flushall()
        await worker._telling.do(worker._books.renew)

        (seen,) = Worker.all(connection=redis)
        assert (seen.name, seen.get_state()) == (worker.name, "busy")
        assert seen.current_execution_count == 1
        assert queue.started_job_registry.get_job_ids() == [job.id]
        gate.opened.set()


async def test_rq_info_shows_the_worker(redis: Redis, redis_url: str, queue: Queue) -> None:
    enqueue(queue, "gate")

    async with working(redis, {"gate": Gate()}, drain_s=0) as worker:
        await wait_until(lambda: queue.started_job_registry.count == 1, "the job runs")
        info = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rq.cli", "info", "--raw", "--url", redis_url),
            stdout=asyncio.subprocess.PIPE,
        )
        shown, _ = await info.communicate()

    assert f"worker {worker.name}" in shown.decode()
    assert "busy" in shown.decode()


async def test_a_worker_runs_on_a_store_whose_folder_has_a_space_in_its_name(
    tmp_path: Path,
) -> None:
    async with EmbeddedValkey(tmp_path / "my data") as server:
        with RedisConnections(server.url).blocking() as redis:
            job = enqueue(queue_of(redis), "succeed")
            async with working(redis, {"succeed": succeed}):
                await wait_until(gone(job), "the job is done")
