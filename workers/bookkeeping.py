"""What RQ is told about one worker and its jobs, in batches and beside the work."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError
from rq import worker_registration
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job, JobStatus
from rq.job_lifecycle import record_job_failure
from rq.serializers import JSONSerializer
from rq.utils import as_text, now, utcformat
from rq.worker import BaseWorker, WorkerStatus
from typing_extensions import override

from bridge.queue import LASTING, MODULE, WakeUp, wake_up_of
from bridge.store.round_trips import Command, RoundTrips


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


class TakenJob:
    """A job taken from the queue: what it runs, and what RQ may have been told of it.

    `told_at` says since when RQ may list it as started, `fault` is the traceback of one that
    raised. RQ's own objects are made whenever RQ is told something: kept, they would be a tenth of
    what a waiting job takes of memory.
    """

    __slots__ = (
        "_execution_id",
        "_read",
        "_worker",
        "args",
        "fault",
        "function",
        "job_id",
        "kwargs",
        "told_at",
    )

    def __init__(
        self,
        job_id: str,
        function: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        worker: BaseWorker,
    ):
        self.job_id = job_id
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.told_at: datetime | None = None
        self.fault: str | None = None
        self._execution_id = ""
        self._read: InertJob | None = None
        self._worker = worker

    @classmethod
    def of_id(cls, job_id: str, wake_up: WakeUp, worker: BaseWorker) -> Self:
        """Make a job of what its id says."""
        kwargs = {"hint": wake_up.hint} if wake_up.hint else {}
        return cls(job_id, f"{MODULE}.{wake_up.job}", (wake_up.subject,), kwargs, worker)

    @classmethod
    def of_hash(cls, job_id: str, raw: Mapping[bytes, bytes], worker: BaseWorker) -> "TakenJob":
        """Make a job of its hash.

        Raises:
            Exception: whatever RQ trips over in a hash that it did not write.
        """
        job = InertJob(job_id, connection=worker.connection, serializer=JSONSerializer)
        job.restore(raw)
        taken = cls(job_id, str(job.func_name), tuple(job.args), job.kwargs, worker)
        taken._read = job
        return taken

    def job(self) -> InertJob:
        """Return the job as RQ knows it."""
        job = self._read or InertJob.create(
            self.function,
            args=self.args,
            id=self.job_id,
            connection=self._worker.connection,
            serializer=JSONSerializer,
            origin=self._worker.queues[0].name,
            **LASTING,
            status=JobStatus.QUEUED,
        )
        assert isinstance(job, InertJob)
        if self.told_at:
            job.started_at = job.last_heartbeat = self.told_at
            job.worker_name = self._worker.name
        return job

    def execution(self) -> Execution:
        """Return the execution under which RQ lists it as started."""
        self._execution_id = self._execution_id or uuid4().hex
        worker = self._worker
        execution = Execution(self._execution_id, self.job_id, worker.connection, worker.name)
        execution.created_at = self.told_at or execution.created_at
        return execution

    @property
    def is_told(self) -> bool:
        """Whether RQ may list it as started."""
        return self.told_at is not None


LEASE_S = 90
"""How long RQ believes in a job whose worker has gone silent."""

TAKE_WAIT_S = 1

TAKE = """
local ids = redis.call('LPOP', KEYS[1], ARGV[1])
if ids then redis.call('RPUSH', KEYS[2], unpack(ids)) end
return ids
"""

logger = logging.getLogger(__name__)


class Bookkeeping:
    """Keeps RQ's registries true to what one worker holds.

    An id that was taken stands in RQ's intermediate list until RQ has been told of it. Each step is
    one round trip for any number of jobs, writes all or nothing, and may be taken again when its
    answer was lost. But for `take` they must not overlap. `take` has a connection of its own, which
    is closed at the end of the block.

    Raises:
        RedisError: from every step, when Redis did not take it or did not say so.
    """

    def __init__(self, worker: BaseWorker, client: Redis) -> None:
        (self._queue,) = worker.queues
        self._worker = worker
        self._redis = client
        self._taking = RoundTrips(client)
        self._held: dict[TakenJob, None] = {}
        self._in_transit: list[TakenJob] = []
        self._gone: list[str] = []
        self._ended: list[TakenJob] = []
        self._state = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._taking.__aexit__()

    @property
    def held(self) -> int:
        """How many jobs were taken, and neither ended nor were handed back."""
        return len(self._held)

    async def take(self, most: int) -> list[str]:
        """Move up to `most` ids into RQ's intermediate list, waiting a second for a first one."""
        source, target = self._queue.key, self._queue.intermediate_queue_key
        commands: list[Command] = [("BLMOVE", source, target, "LEFT", "RIGHT", TAKE_WAIT_S)]
        if most > 1:
            commands.append(("EVAL", TAKE, 2, source, target, most - 1))
        answers = await self._taking.take(commands)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        first, *others = answers
        ids = [first, *(others[0] or ())] if others else [first]
        return [as_text(job_id) for job_id in ids if job_id]

    def known(self, ids: Sequence[str]) -> list[TakenJob]:
        """Make jobs of those ids that say what they are for, and hold them."""
        told = [(job_id, wake_up_of(job_id)) for job_id in ids]
        return self._hold(
            TakenJob.of_id(job_id, wake_up, self._worker) for job_id, wake_up in told if wake_up
        )

    async def read(self, ids: Sequence[str]) -> list[TakenJob]:
        """Make jobs of the other ids, but those that are gone or that RQ cannot read."""
        unknown = [job_id for job_id in ids if not wake_up_of(job_id)]
        if not unknown:
            return []
        async with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in unknown:
                pipeline.hgetall(InertJob.key_for(job_id))
            hashes = await pipeline.execute()
        jobs = []
        for job_id, raw in zip(unknown, hashes, strict=True):
            try:
                jobs += [TakenJob.of_hash(job_id, raw, self._worker)] if raw else []
            except Exception:
                logger.exception("worker.job_unreadable", extra={"job_id": job_id})
        self._gone += set(unknown) - {taken.job_id for taken in jobs}
        return self._hold(jobs)

    def _hold(self, jobs: Iterable[TakenJob]) -> list[TakenJob]:
        found = list(jobs)
        self._held |= dict.fromkeys(found)
        self._in_transit += found
        return found

    def end(self, taken: TakenJob, fault: str | None) -> None:
        """Hold a job no longer, which returned, or raised with this traceback."""
        taken.fault = fault
        del self._held[taken]
        self._ended.append(taken)

    async def tell(self) -> None:
        """Report to RQ which jobs run, and how others have ended; of most it hears only the end."""
        taken, gone, ended = list(self._in_transit), list(self._gone), list(self._ended)
        if not (taken or gone or ended):
            return
        async with self._redis.pipeline() as pipeline:
            for job_id in (*gone, *(one.job_id for one in taken)):
                pipeline.lrem(self._queue.intermediate_queue_key, 1, job_id)
            for one in taken:
                if one in self._held:
                    one.told_at = one.told_at or now()
                    job = one.job()
                    lease(one, job, pipeline)
                    job.prepare_for_execution(self._worker.name, buffer(pipeline))
            self._tell_endings(ended, pipeline)
            state = self._tell_state(pipeline)
            await pipeline.execute()
        self._state = state
        del self._in_transit[: len(taken)], self._gone[: len(gone)], self._ended[: len(ended)]

    def _tell_endings(self, ended: Sequence[TakenJob], pipeline: Pipeline) -> None:
        """Forget the jobs that returned; put those that raised into the FailedJobRegistry."""
        worker, returned = self._worker, [one.job_id for one in ended if one.fault is None]
        for one in ended:
            if one.is_told:
                one.execution().delete(one.job(), buffer(pipeline))
            if one.fault is not None:
                record_job_failure(one.job(), one.fault, buffer(pipeline))
                worker.increment_failed_job_count(buffer(pipeline))
        if returned:
            pipeline.delete(*(InertJob.key_for(job_id) for job_id in returned))
            # Whoever looked at RQ after an outage may have had some declared abandoned.
            pipeline.zrem(self._queue.failed_job_registry.key, *returned)
            pipeline.hincrby(worker.key, "successful_job_count", len(returned))

    def _tell_state(self, pipeline: Pipeline) -> str:
        state = WorkerStatus.BUSY if self._held else WorkerStatus.IDLE
        if state != self._state:
            self._worker.set_state(state, buffer(pipeline))
        return state

    async def renew(self) -> None:
        """Register queue, worker and all that it holds anew, whatever Redis remembers of them."""
        worker = self._worker
        worker.birth_date = worker.birth_date or now()
        self._state = ""
        async with self._redis.pipeline() as pipeline:
            pipeline.sadd(self._queue.redis_queues_keys, self._queue.key)
            worker_registration.register(worker, buffer(pipeline))
            worker.heartbeat(pipeline=buffer(pipeline))
            pipeline.hset(worker.key, mapping=worker.serialize())
            self._tell_state(pipeline)
            for taken in self._held:
                if taken.is_told:
                    lease(taken, taken.job(), pipeline)
            await pipeline.execute()

    async def hand_back(self) -> int:
        """Put all that is held back to the front of the queue, oldest first; say how many."""
        jobs = list(self._held)
        async with self._redis.pipeline() as pipeline:
            for taken in self._in_transit:
                pipeline.lrem(self._queue.intermediate_queue_key, 1, taken.job_id)
            for taken in reversed(jobs):
                if taken.is_told:
                    job = taken.job()
                    taken.execution().delete(job, buffer(pipeline))
                    job.started_at = job.worker_name = None
                    job.set_status(JobStatus.QUEUED, buffer(pipeline))
                    job.save(buffer(pipeline))
                self._queue.push_job_id(taken.job_id, buffer(pipeline), at_front=True)
            await pipeline.execute()
        self._held.clear()
        self._in_transit.clear()
        return len(jobs)

    async def leave(self) -> None:
        """Take the worker off RQ's lists, as `register_death` does, which would block."""
        worker = self._worker
        async with self._redis.pipeline() as pipeline:
            worker_registration.unregister(worker, buffer(pipeline))
            pipeline.hset(worker.key, "death", utcformat(now()))
            pipeline.expire(worker.key, 60)
            pipeline.delete(worker.executions_key)
            await pipeline.execute()

    async def clean(self) -> None:
        """Do RQ's maintenance if it is due: jobs whose worker died go to the FailedJobRegistry.

        RQ can do it only by blocking: it runs in a thread, whose connection is closed where it is
        not waited for any more.
        """
        if not self._worker.should_run_maintenance_tasks:
            return
        try:
            await asyncio.to_thread(self._worker.clean_registries)
        except asyncio.CancelledError:
            self._worker.connection.connection_pool.disconnect()
            raise
        except RedisError:
            raise
        except Exception:  # one unreadable job must not end the worker
            logger.exception("worker.maintenance_failed", extra={"worker": self._worker.name})


def buffer(pipeline: Pipeline) -> Any:
    """Return a pipeline as RQ takes it, whose types know none but its own: it only buffers."""
    return pipeline


def lease(taken: TakenJob, job: InertJob, pipeline: Pipeline) -> None:
    """List an execution as running for LEASE_S from now, as `Execution.create` does.

    That makes up an id on every call; this one can be repeated.
    """
    execution = taken.execution()
    execution.last_heartbeat = now()
    execution.save(LEASE_S, buffer(pipeline))
    registry = ExecutionRegistry(execution.job_id, execution.connection)
    registry.add(execution, LEASE_S, buffer(pipeline))
    job.started_job_registry.add_execution(execution, buffer(pipeline), LEASE_S)
    pipeline.sadd(execution.worker_executions_key, execution.composite_key)
    pipeline.expire(execution.worker_executions_key, LEASE_S + 60)
