"""The asyncio RQ worker: a thousand waiting jobs on one event loop, seen by RQ as one worker.

RQ is a carrier of wake-ups here; the store holds the facts and repairs a wake-up that was lost. RQ
itself does with ours what it does with every job that has no `Retry`: one whose worker was killed,
or whose id was moved while the connection broke, goes to the FailedJobRegistry minutes later.

On purpose:

1. Only the functions it was given run. A job that names another one fails; nothing is imported.
2. One queue a worker: BLMOVE, which keeps an id in Redis on its way to us, waits on one list only.
3. A finished job leaves nothing behind, and RQ's timeouts, callbacks, webhooks, dependents,
   repeats, groups, rate limits, suspension and worker commands do nothing: none is ever used.
4. Maintenance waits until Redis has answered without a gap for one whole lease, so that an outage
   does not look like the death of every worker.
5. RQ hears of a job beside the work and in batches, never before it may start; of one that ends
   soon, only that. Until then its id stands in the intermediate list, as one that is on its way.

It uses no name of RQ that starts with an underscore. It leans on these, which RQ does not promise
either: that pipelined methods only buffer, on an asynchronous pipeline too; the constructors and
pipelined methods of `Execution` and `ExecutionRegistry`, `StartedJobRegistry.add_execution`,
`Job.create`, `restore` and `prepare_for_execution`, `job_lifecycle.record_job_failure`,
`worker_registration.register` and `unregister`, `BaseWorker.serialize`, `clean_registries` and
`should_run_maintenance_tasks`, what `register_death` and `increment_successful_job_count` write,
the `connection_timeout` that follows from `worker_ttl`, and `Queue.intermediate_queue_key`.
"""

import asyncio
import logging
import math
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker
from typing_extensions import override

from bridge.errors import PermanentError
from bridge.redis_faults import sentence_of
from workers.bookkeeping import LEASE_S, Bookkeeping, InertJob, TakenJob

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 2.0
LAST_ANSWER_S = 2.0
"""How long the step under way may take to be answered once no other is to be tried."""

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Insistence:
    """Takes one step of Redis at a time, and each again until Redis has answered."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = asyncio.Lock()
        self._limit: asyncio.Timeout | None = None
        self._give_up_at = math.inf
        self.failed_at = -math.inf
        """When Redis last gave no answer, on the loop's clock."""
        self.is_lost = False
        """Whether Redis gave no answer to the last step that is over."""

    def give_up(self, at: float) -> None:
        """Try nothing again from then on; a step that Redis leaves hanging is broken off."""
        self._give_up_at = at
        if self._limit and not self._limit.expired():
            self._limit.reschedule(at + LAST_ANSWER_S)

    async def do(self, step: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Take this step, which may be repeated, as often as it needs.

        Raises:
            RedisError: there was no answer by the time to give up.
        """
        now = asyncio.get_running_loop().time
        delay_s = 0.0
        async with self._turn:
            if self.is_lost and now() >= self._give_up_at:
                raise RedisTimeoutError("given up")
            while True:
                try:
                    answer = await self._attempt(step(*args, **kwargs))
                except RedisError as error:
                    self.is_lost, self.failed_at = True, now()
                    if now() >= self._give_up_at:
                        raise
                    if not delay_s:
                        lost = {"by": self._name, "reason": sentence_of(error)}
                        logger.warning("worker.redis_lost", extra=lost)
                    delay_s = min(delay_s * 2 or FIRST_DELAY_S, LONGEST_DELAY_S)
                    await asyncio.sleep(max(min(delay_s, self._give_up_at - now()), 0))
                else:
                    self.is_lost = False
                    if delay_s:
                        logger.info("worker.redis_found", extra={"by": self._name})
                    return answer

    async def _attempt(self, step: Awaitable[T]) -> T:
        """Wait for the answer to a step, until it is to be broken off."""
        limit = self._give_up_at + LAST_ANSWER_S if math.isfinite(self._give_up_at) else None
        try:
            async with asyncio.timeout_at(limit) as self._limit:
                return await step
        except TimeoutError as error:
            raise RedisTimeoutError("the store does not answer") from error
        finally:
            self._limit = None


JobFunction = Callable[..., Awaitable[None]]

BATCH = 64
RENEW_S = LEASE_S / 3
TELL_EVERY_S = 0.25
"""How long RQ hears nothing of a job: most have ended by then, and it hears of that alone."""

WORKER_TTL_S = 16
"""The least that RQ takes: it adds 60 to list the worker, and waits 5 less for any answer."""
LAST_TRY_S = 2.0
"""How much of its time to drain a worker keeps for telling a Redis that is away what it holds."""
LAST_WORDS_S = 5.0
"""How long a job that is cancelled may take to put that down."""
LOST_WORDS_S = 0.5
"""The same while Redis is away."""


class AsyncWorker(BaseWorker):
    """Runs the jobs of one queue as coroutines, up to `concurrency` at once.

    Redis may go away and come back. `rq info` and `rq.Worker.all` show it. RQ makes its own use of
    the blocking `connection`; all that the work waits for goes by `client`.
    """

    job_class = InertJob

    def __init__(
        self,
        queues: Sequence[str],
        connection: Redis,
        client: AsyncRedis,
        jobs: Mapping[str, JobFunction],
        concurrency: int = 1000,
    ) -> None:
        super().__init__(
            queues,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_S,
            maintenance_interval=LEASE_S,
        )
        self._jobs = dict(jobs)
        self._concurrency = concurrency
        self._books = Bookkeeping(self, client)
        self._running: set[asyncio.Task[None]] = set()
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._taking, self._telling = Insistence("take"), Insistence("books")

    def running(self) -> int:
        """Return how many jobs run now."""
        return len(self._running)

    @override
    def _set_ip_address(self, connection: Redis) -> None:
        try:
            super()._set_ip_address(connection)
        except (RedisError, ValueError):  # or a socket's path has a space, which redis-py misreads
            self.ip_address = "unknown"

    async def run(
        self, stop: asyncio.Event, drain_s: float, on_drain: Callable[[], None] = lambda: None
    ) -> None:
        """Take and run jobs until `stop`, then drain, and return. Once in a worker's life.

        To drain is to take no more, tell of it by `on_drain`, give what runs `drain_s` to end,
        cancel the rest and hand it back to the front of the queue. With Redis away all of that is
        over within `drain_s`, and at once where nothing runs: others find out what was held.
        Cancelling `run` instead is a kill: leases run out.
        """
        logger.info("worker.started", extra={"worker": self.name})
        try:
            async with self._books, asyncio.TaskGroup() as group:
                loops = [group.create_task(self._renew()), group.create_task(self._tell())]
                taking = group.create_task(self._take(stop, group))
                await stop.wait()
                on_drain()
                await self._drain(taking, drain_s)
                for loop in loops:
                    loop.cancel()
                await self._leave()
        except* RedisError as errors:
            reason = sentence_of(errors.exceptions[0])
            told = {"held": self._books.held, "reason": reason}
            logger.warning("worker.drain_incomplete", extra=told)

    async def _take(self, stop: asyncio.Event, group: asyncio.TaskGroup) -> None:
        """Take jobs while there is room for them, and start each as a task."""
        while not stop.is_set():
            room = self._concurrency - len(self._running)
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            try:
                ids = await self._taking.do(self._books.take, min(room, BATCH))
            except RedisError:  # while draining; what it may have moved is woken again
                return
            for taken in self._books.known(ids):
                self._start(taken, group)
            for taken in await self._telling.do(self._books.read, ids):
                self._start(taken, group)

    def _start(self, taken: TakenJob, group: asyncio.TaskGroup) -> None:
        task = group.create_task(self._perform(taken))
        self._running.add(task)
        task.add_done_callback(self._is_over)
        self._news.set()

    def _is_over(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()

    async def _perform(self, taken: TakenJob) -> None:
        """Run a job to its end, and put that down; one that we cancel has not ended."""
        fault = None
        try:
            await self._call(taken)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and being_cancelled():
                raise
            fault = printable(traceback.format_exc())
            logger.exception("worker.job_failed", extra={"job_id": taken.job_id})
        self._books.end(taken, fault)
        self._news.set()

    async def _call(self, taken: TakenJob) -> None:
        function = self._jobs.get(taken.function)
        if function is None:
            raise PermanentError(f"{taken.function!r} is not a job of this worker: nothing was run")
        await function(*taken.args, **taken.kwargs)

    async def _tell(self) -> None:
        """Report to RQ again and again, some time later, what has begun and ended."""
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(TELL_EVERY_S)
            await self._telling.do(self._books.tell)

    async def _renew(self) -> None:
        """Keep the leases, and RQ's registries once Redis has been steady."""
        now = asyncio.get_running_loop().time
        started_at = now()
        while True:
            await self._telling.do(self._books.renew)
            if now() - max(started_at, self._telling.failed_at) > LEASE_S:
                await self._telling.do(self._books.clean)
            await asyncio.sleep(RENEW_S)

    async def _drain(self, taking: asyncio.Task[None], drain_s: float) -> None:
        """Wait until nothing runs any more and RQ knows all endings."""
        now = asyncio.get_running_loop().time
        deadline = now() + drain_s
        self._taking.give_up(now())
        self._telling.give_up(deadline)
        self._room.set()
        try:
            await taking
            await self._wait_for_running(deadline - LAST_TRY_S)
            if not self._has_lost_redis():
                await self._wait_for_running(deadline)
        finally:
            await self._cancel_running()
        spare_s = 0 if self._has_lost_redis() else LAST_TRY_S
        self._telling.give_up(min(deadline, now() + spare_s))
        await self._telling.do(self._books.tell)

    def _has_lost_redis(self) -> bool:
        return self._taking.is_lost or self._telling.is_lost

    async def _wait_for_running(self, until: float) -> None:
        left_s = until - asyncio.get_running_loop().time()
        if self._running and left_s > 0:
            await asyncio.wait(self._running, timeout=left_s)

    async def _cancel_running(self) -> None:
        """End what runs; a job that would first tell a Redis that is away is not let."""
        words_s = LOST_WORDS_S if self._has_lost_redis() else LAST_WORDS_S
        for _ in range(2):
            for task in self._running:
                task.cancel()
            if self._running:
                await asyncio.wait(self._running, timeout=words_s)

    async def _leave(self) -> None:
        """Release what is still held, and the worker's place."""
        handed_back = await self._telling.do(self._books.hand_back)
        await self._telling.do(self._books.leave)
        logger.info("worker.drained", extra={"worker": self.name, "handed_back": handed_back})


def being_cancelled() -> bool:
    """Report whether somebody cancelled the task that asks, or its job only came upon it inside."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def printable(text: str) -> str:
    """Write out what UTF-8 has no bytes for: half a surrogate pair may come with any JSON."""
    return text.encode(errors="backslashreplace").decode()
