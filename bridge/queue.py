"""The RQ seam: signals a worker for ids whose facts are already on record.

A job carries an id and nothing else, as JSON. On purpose:

1. RQ's retries, scheduler, unique ids and results stay off. The store holds the facts, the verbs
   decide on retries, and a wake-up that is lost is repaired by the sweeper.
2. RQ's keys keep RQ's own prefix, not the hash tag of the store's. An operator may set another, to
   `{bridge}:rq` say, for every process alike; no step of ours spans a key of RQ's and one of the
   store's. RQ reads it while it is first imported, so that is not before a queue is made.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

import redis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bridge.redis_faults import sentence_of

logger = logging.getLogger(__name__)

QUEUE_NAME = "bridge"

FAILURE_TTL_S = 3600


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
        self._waiting: list[tuple[str, str]] = []
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
        self._waiting += [(job, subject) for subject in ids]
        async with self._turn:
            gathered, self._waiting = self._waiting, []
            if gathered:  # for others too, so it goes on when this caller leaves
                await asyncio.shield(self._enqueue(gathered))

    async def _enqueue(self, signals: Sequence[tuple[str, str]]) -> None:
        async with self._client.pipeline() as pipeline:
            for job, subject in signals:
                self._rq.enqueue(
                    f"workers.jobs.{job}",
                    subject,
                    pipeline=pipeline,
                    job_timeout=-1,
                    result_ttl=0,
                    failure_ttl=FAILURE_TTL_S,
                )
            try:
                await pipeline.execute()
            except RedisError as error:
                reason = sentence_of(error)
                logger.warning("queue.wake_lost", extra={"lost": len(signals), "reason": reason})
