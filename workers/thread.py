"""Blocking Redis steps beside an event loop."""

import asyncio
import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from redis.exceptions import RedisError

from bridge.redis_faults import sentence_of

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 2.0

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class StubbornThread:
    """One thread that takes one step at a time, and each again until Redis has answered."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self.failed_at = -math.inf
        """When Redis last gave no answer, on the loop's clock."""
        self.give_up_at = math.inf

    async def do(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Take this step, which may be repeated, as often as it needs.

        Raises:
            RedisError: there was no answer by `give_up_at`.
        """
        loop = asyncio.get_running_loop()
        delay_s = 0.0
        while True:
            try:
                answer = await loop.run_in_executor(self._pool, partial(step, *args, **kwargs))
            except RedisError as error:
                if loop.time() >= self.give_up_at:
                    raise
                if not delay_s:
                    lost = {"by": self._name, "reason": sentence_of(error)}
                    logger.warning("worker.redis_lost", extra=lost)
                self.failed_at = loop.time()
                delay_s = min(delay_s * 2 or FIRST_DELAY_S, LONGEST_DELAY_S)
                await asyncio.sleep(delay_s)
            else:
                if delay_s:
                    logger.info("worker.redis_found", extra={"by": self._name})
                return answer

    def close(self) -> None:
        """End the thread as soon as its step is over, without waiting for that."""
        self._pool.shutdown(wait=False)
