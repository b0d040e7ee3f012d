"""The RQ seam: signals a worker for ids whose facts are already on record.

A job carries an id and nothing else, as JSON, and its own id says all of that again (`job_id_of`),
so that a worker starts it without reading it. On purpose:

1. RQ's retries, scheduler, unique ids and results stay off. The store holds the facts, the verbs
   decide on retries, and a wake-up that is lost is repaired by the sweeper.
2. RQ's keys keep RQ's own prefix, not the hash tag of the store's. An operator may set another, to
   `{bridge}:rq` say, for every process alike; no step of ours spans a key of RQ's and one of the
   store's. RQ reads it while it is first imported, so that is not before a queue is made.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import redis
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from bridge.redis_faults import sentence_of

if TYPE_CHECKING:
    from rq.job import Job

logger = logging.getLogger(__name__)

QUEUE_NAME = "bridge"

FAILURE_TTL_S = 3600
LASTING: Mapping[str, Any] = {"timeout": -1, "result_ttl": 0, "failure_ttl": FAILURE_TTL_S}
"""How long RQ lets a job run and keeps what became of it."""

MODULE = "workers.jobs"
JOBS = frozenset({"run_call", "deliver_reply", "deliver_occurrences", "run_bulk"})
NONCE_CHARS = 6


class WakeUp(NamedTuple):
    """What a job asks for: one run of `workers.jobs.<job>` for an id.

    `hint` is what may help the worker before it has read anything, in hexadecimal digits.
    """

    job: str
    subject: str
    hint: str = ""


def job_id_of(wake_up: WakeUp) -> str:
    """Make the id of a new job, which says what it asks for."""
    nonce = secrets.token_hex(NONCE_CHARS // 2)
    return f"{wake_up.job}-{wake_up.subject}-{wake_up.hint}{nonce}"


def wake_up_of(job_id: str) -> WakeUp | None:
    """Read what a job asks for; None for one that does not say it in its id, as earlier ones do."""
    job, _, rest = job_id.partition("-")
    subject, _, tail = rest.rpartition("-")
    return WakeUp(job, subject, tail[:-NONCE_CHARS]) if job in JOBS and subject else None


class Queue:
    """Wakes workers over the process's own asynchronous Redis client."""

    def __init__(self, client: Redis) -> None:
        from rq import Queue as RqQueue
        from rq.serializers import JSONSerializer

        self._client = client
        # RQ wants a connection to be there, yet with a pipeline it only buffers commands. Given
        # this client it has nothing to block on, even if a later RQ wished to.
        self._rq = RqQueue(
            QUEUE_NAME, connection=cast(redis.Redis, client), serializer=JSONSerializer
        )
        # Known beforehand, so that RQ does not ask the server; it never reads the number itself.
        self._rq.redis_server_version = (7, 0, 0)
        self._waiting: list[WakeUp] = []
        self._turn = asyncio.Lock()

    async def length(self) -> int:
        """How many jobs no worker has taken yet; 0 while Redis does not say."""
        try:
            return int(await self._client.llen(self._rq.key))
        except RedisError:
            return 0

    async def wake(self, job: str, *ids: str) -> None:
        """Enqueue one run of `workers.jobs.<job>` for each id, all or none, in one round trip.

        What gathers while Redis has not answered yet goes together in the next one. Never fails: a
        wake-up that Redis did not take is made up for by the sweeper.
        """
        self._waiting += [WakeUp(job, subject) for subject in ids]
        async with self._turn:
            gathered, self._waiting = self._waiting, []
            if gathered:  # for others too, so it goes on when this caller leaves
                await asyncio.shield(self._enqueue(gathered))

    def waking(self, job: str, subject: str, hint: str = "") -> Callable[[Pipeline], None]:
        """Return what enqueues one run in a pipeline of somebody else's, all or none there."""
        made = self._made(WakeUp(job, subject, hint))
        return lambda pipeline: self._push(made, pipeline)

    async def _enqueue(self, gathered: Sequence[WakeUp]) -> None:
        async with self._client.pipeline() as pipeline:
            for wake_up in gathered:
                self._push(self._made(wake_up), pipeline)
            try:
                await pipeline.execute()
            except RedisError as error:
                reason = sentence_of(error)
                logger.warning("queue.wake_lost", extra={"lost": len(gathered), "reason": reason})

    def _made(self, wake_up: WakeUp) -> "Job":
        from rq.job import JobStatus
        from rq.utils import now

        job = self._rq.create_job(
            f"{MODULE}.{wake_up.job}",
            args=(wake_up.subject,),
            **LASTING,
            job_id=job_id_of(wake_up),
            status=JobStatus.QUEUED,
            description="",
        )
        job.enqueued_at = now()
        return job

    def _push(self, job: "Job", pipeline: Pipeline) -> None:
        """Buffer what RQ writes of a new job, but that the queue is there: workers say that."""
        buffer: Any = pipeline  # RQ only calls its methods, none of which waits for anything
        job.save(pipeline=buffer)
        self._rq.push_job_id(job.id, pipeline=buffer)
