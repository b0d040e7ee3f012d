"""Blocking Redis steps beside an event loop."""

import asyncio
import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bridge.redis_faults import sentence_of

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 2.0
LAST_ANSWER_S = 2.0
"""How long the step under way may take to be answered once no other is to be tried."""

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class StubbornThread:
    """One thread that takes one step at a time, and each again until Redis has answered."""

    def __init__(self, name: str, redis: Redis) -> None:
        self._name = name
        self._redis = redis
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._is_busy = self._is_broken_off = False
        self._give_up_at = math.inf
        self.failed_at = -math.inf
        """When Redis last gave no answer, on the loop's clock."""
        self.is_lost = False
        """Whether Redis gave no answer to the last step that is over."""

    def give_up(self, at: float) -> None:
        """Try nothing again from then on; a step that Redis leaves hanging is broken off."""
        self._give_up_at = at
        asyncio.get_running_loop().call_at(at + LAST_ANSWER_S, self._break_off)

    async def do(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Take this step, which may be repeated, as often as it needs.

        Raises:
            RedisError: there was no answer by the time to give up.
        """
        loop = asyncio.get_running_loop()
        delay_s = 0.0
        if self.is_lost and loop.time() >= self._give_up_at:
            raise RedisTimeoutError("given up")
        while True:
            self._is_busy = True
            try:
                answer = await loop.run_in_executor(self._pool, partial(step, *args, **kwargs))
            except ValueError as error:
                if not self._is_broken_off:
                    raise
                # What redis-py makes of a connection that is closed while it is read.
                raise RedisTimeoutError("broken off") from error
            except RedisError as error:
                self.is_lost, self.failed_at = True, loop.time()
                if loop.time() >= self._give_up_at:
                    raise
                if not delay_s:
                    lost = {"by": self._name, "reason": sentence_of(error)}
                    logger.warning("worker.redis_lost", extra=lost)
                delay_s = min(delay_s * 2 or FIRST_DELAY_S, LONGEST_DELAY_S)
                await asyncio.sleep(max(min(delay_s, self._give_up_at - loop.time()), 0))
            else:
                self.is_lost = False
                if delay_s:
                    logger.info("worker.redis_found", extra={"by": self._name})
                return answer
            finally:
                self._is_busy = False

    def close(self) -> None:
        """End the thread as soon as its step is over, without waiting for that."""
        self._pool.shutdown(wait=False)

    def _break_off(self) -> None:
        if self._is_busy:
            self._is_broken_off = self.is_lost = True
            self._redis.connection_pool.disconnect()
