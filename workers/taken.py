"""A job in a worker's hands."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from redis import Redis
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
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
class Taken:
    """A job taken from the queue, and the execution under which RQ lists it as started."""

    job: InertJob
    execution: Execution


@dataclass(frozen=True)
class Ending:
    """How a taken job ended; `fault` is the traceback of one that raised."""

    taken: Taken
    fault: str | None


def read_job(job_id: str, raw: Mapping[bytes, bytes], redis: Redis, worker: str) -> Taken:
    """Make a job of its hash, with a fresh execution by the worker of that name.

    Raises:
        Exception: whatever RQ trips over in a hash that it did not write.
    """
    job = InertJob(job_id, connection=redis, serializer=JSONSerializer)
    job.restore(raw)
    return Taken(job, Execution(uuid4().hex, job.id, redis, worker))
