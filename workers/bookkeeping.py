"""What RQ is told about one worker and its jobs: blocking steps, for a thread."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import worker_registration
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job, JobStatus
from rq.job_lifecycle import record_job_failure
from rq.serializers import JSONSerializer
from rq.utils import as_text, now
from rq.worker import BaseWorker, WorkerStatus
from typing_extensions import override


class InertJob(Job):
    """RQ's job without its powers: nothing that its hash names is imported, called or posted to.

    RQ's own maintenance fetches jobs too, and would call an abandoned one's failure callback.
    """

    @property
    @override
    def func(self) -> None:
        """Nothing: functions come from the worker's own list."""

    @property
    @override
    def failure_callback(self) -> None:
        """Nothing, whatever the hash says."""

    @override
    def send_webhooks(self, status: str | JobStatus, *, exc_string: str | None = None) -> None:
        """Send nothing, whatever the hash says."""


@dataclass(frozen=True)
class TakenJob:
    """A job taken from the queue, and the execution under which RQ lists it as started."""

    job: InertJob
    execution: Execution


@dataclass(frozen=True)
class JobEnding:
    """How a taken job ended; `fault` is the traceback of one that raised."""

    taken: TakenJob
    fault: str | None


def read_job(job_id: str, raw: Mapping[bytes, bytes], redis: Redis, worker: str) -> TakenJob:
    """Make a job of its hash, with a fresh execution by the worker of that name.

    Raises:
        Exception: whatever RQ trips over in a hash that it did not write.
    """
    job = InertJob(job_id, connection=redis, serializer=JSONSerializer)
    job.restore(raw)
    return TakenJob(job, Execution(uuid4().hex, job.id, redis, worker))


LEASE_S = 90
"""How long RQ believes in a job whose worker has gone silent."""

TAKE_WAIT_S = 1

TAKE = """
local taken = {}
for _ = 1, tonumber(ARGV[1]) do
    local id = redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
    if not id then break end
    taken[#taken + 1] = id
end
return taken
"""

logger = logging.getLogger(__name__)


def connect(url: str) -> Redis:
    """Make the blocking client of one worker; it does not retry, for the worker does."""
    client: Redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
    return client


class Bookkeeping:
    """Keeps RQ's registries true to what one worker holds.

    Each step is one round trip or two for any number of jobs, writes all or nothing, and may be
    taken again when its answer was lost. But for `take` they must not overlap.

    Raises:
        RedisError: from every step, when Redis did not take it or did not say so.
    """

    def __init__(self, worker: BaseWorker) -> None:
        (self._queue,) = worker.queues
        self._worker = worker
        self._redis: Redis = worker.connection
        self._take = self._redis.register_script(TAKE)
        self._held: dict[str, TakenJob] = {}

    @property
    def held(self) -> int:
        """How many jobs were begun, and neither finished nor handed back."""
        return len(self._held)

    def take(self, most: int) -> list[str]:
        """Move up to `most` ids into RQ's intermediate list, waiting a second for a first one."""
        queue = self._queue
        taken = self._take([queue.key, queue.intermediate_queue_key], [most])
        if not taken:
            first = self._redis.blmove(queue.key, queue.intermediate_queue_key, TAKE_WAIT_S)
            taken = [first] if first else []
        return [as_text(job_id) for job_id in taken]

    def read(self, ids: Sequence[str]) -> list[TakenJob]:
        """Fetch the jobs of these ids, without those that are gone or that RQ cannot read."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.hgetall(InertJob.key_for(job_id))
            hashes = pipeline.execute()
        jobs = []
        for job_id, raw in zip(ids, hashes, strict=True):
            try:
                if raw:
                    jobs.append(read_job(job_id, raw, self._redis, self._worker.name))
            except Exception:
                logger.exception("worker.job_unreadable", extra={"job_id": job_id})
        return jobs

    def begin(self, ids: Sequence[str], jobs: Sequence[TakenJob]) -> None:
        """Put these jobs on record as started here, and the ids out of the intermediate list."""
        with self._redis.pipeline() as pipeline:
            for job_id in ids:
                pipeline.lrem(self._queue.intermediate_queue_key, 1, job_id)
            for taken in jobs:
                lease(taken, pipeline)
                taken.job.prepare_for_execution(self._worker.name, pipeline)
            self._worker.set_state(WorkerStatus.BUSY, pipeline)
            pipeline.execute()
        self._held |= {taken.execution.id: taken for taken in jobs}

    def finish(self, endings: Sequence[JobEnding]) -> None:
        """Forget the jobs that returned; put those that raised into the FailedJobRegistry."""
        with self._redis.pipeline() as pipeline:
            for ending in endings:
                job = ending.taken.job
                ending.taken.execution.delete(job, pipeline)
                if ending.fault is not None:
                    record_job_failure(job, ending.fault, pipeline)
                    self._worker.increment_failed_job_count(pipeline)
                    continue
                # Whoever looked at RQ after an outage may have had the job declared abandoned.
                job.failed_job_registry.remove(job, pipeline)
                pipeline.delete(job.key)
                self._worker.increment_successful_job_count(pipeline)
            if len(endings) == self.held:
                self._worker.set_state(WorkerStatus.IDLE, pipeline)
            pipeline.execute()
        for ending in endings:
            self._held.pop(ending.taken.execution.id, None)

    def renew(self) -> None:
        """Register the worker and all that it holds anew, whatever Redis remembers of them."""
        worker = self._worker
        worker.birth_date = worker.birth_date or now()
        with self._redis.pipeline() as pipeline:
            worker_registration.register(worker, pipeline)
            worker.heartbeat(pipeline=pipeline)
            pipeline.hset(worker.key, mapping=worker.serialize())
            worker.set_state(WorkerStatus.BUSY if self._held else WorkerStatus.IDLE, pipeline)
            for taken in self._held.values():
                lease(taken, pipeline)
            pipeline.execute()

    def hand_back(self) -> int:
        """Put all that is held back to the front of the queue, oldest first; say how many."""
        jobs = list(self._held.values())
        with self._redis.pipeline() as pipeline:
            pipeline.multi()
            for taken in reversed(jobs):
                taken.execution.delete(taken.job, pipeline)
                taken.job.started_at = taken.job.worker_name = None
                self._queue.enqueue_job(taken.job, pipeline, at_front=True)
            pipeline.execute()
        self._held.clear()
        return len(jobs)

    def leave(self) -> None:
        """Take the worker off RQ's lists."""
        self._worker.register_death()  # type: ignore[no-untyped-call]  # RQ has no types for it

    def clean(self) -> None:
        """Do RQ's maintenance if it is due: jobs whose worker died go to the FailedJobRegistry."""
        if not self._worker.should_run_maintenance_tasks:
            return
        try:
            self._worker.clean_registries()  # type: ignore[no-untyped-call]  # as above
        except RedisError:
            raise
        except Exception:  # one unreadable job must not end the worker
            logger.exception("worker.maintenance_failed", extra={"worker": self._worker.name})


def lease(taken: TakenJob, pipeline: Pipeline) -> None:
    """List an execution as running for LEASE_S from now, as `Execution.create` does.

    That makes up an id on every call; this one can be repeated.
    """
    execution = taken.execution
    execution.last_heartbeat = now()
    execution.save(LEASE_S, pipeline)
    ExecutionRegistry(execution.job_id, execution.connection).add(execution, LEASE_S, pipeline)
    taken.job.started_job_registry.add_execution(execution, pipeline, LEASE_S)
    pipeline.sadd(execution.worker_executions_key, execution.composite_key)
    pipeline.expire(execution.worker_executions_key, LEASE_S + 60)
