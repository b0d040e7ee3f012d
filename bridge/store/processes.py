"""Processes on record: who is alive, what each holds, and what a dead one leaves."""

import json
import threading
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError
from typing_extensions import override

from bridge.models import ProcessId
from bridge.store.line_steps import ABANDONING
from bridge.store.scripts import Answer, Script, Steps

BEAT_S = 2.0
LIFE_S = 6.0
"""A process that has not been heard of for so long is dead, once Redis itself was up for as long."""

BEAT = Script(
    "process",
    "redis.call('ZADD', processes_key(), now, process) return {}",
)

DIED = "process.died"
"""The wake for when what a process did is for others to do."""

LEAVE = Script(
    "process",
    ABANDONING
    + """
redis.call('ZREM', processes_key(), process)
for _, waiter in ipairs(redis.call('SMEMBERS', named_key(process))) do
  local taker = leave_lines(process, waiter)
  if taker then abandon_taken(taker.token) end
end
redis.call('UNLINK', takers_key(process), named_key(process))
if redis.call('EXISTS', held_key(process)) == 1 then redis.call('ZADD', processes_key(), 0, process) end
ring('process.died')
return {}
""",
)

RULE = Script(
    "process life_ms",
    """
local ruler = redis.call('GET', sweeper_key())
if ruler and ruler ~= process then return {'no'} end
redis.call('SET', sweeper_key(), process, 'PX', life_ms)
return {'yes'}
""",
)

DEAD = Script(
    "life_ms",
    """
local rows = {}
for _, process in ipairs(redis.call('ZRANGEBYSCORE', processes_key(), '-inf', now - life_ms)) do
  rows[#rows + 1] = {process, redis.call('SMEMBERS', held_key(process))}
end
return rows
""",
)

FORGET = Script(
    "process held",
    """
for _, what in ipairs(cjson.decode(held)) do redis.call('SREM', held_key(process), what) end
if redis.call('EXISTS', held_key(process)) == 0 then redis.call('ZREM', processes_key(), process) end
ring('process.died')
return {}
""",
)


@dataclass(frozen=True)
class Estate:
    """What a dead process held: (kind, id, lease token) each."""

    process: ProcessId
    held: tuple[tuple[str, str, str], ...]


class ProcessStore:
    """Speaks Redis for processes."""

    def __init__(self, steps: Steps, process: ProcessId) -> None:
        self._steps = steps
        self.process = process

    async def beat(self) -> None:
        """Say that this process lives."""
        await self._steps.run(BEAT, process=self.process)

    async def leave(self) -> None:
        """Say that this process ends; what it still holds is for others at once."""
        await self._steps.run(LEAVE, process=self.process)

    async def rules(self) -> bool:
        """Become or stay the one process that sweeps."""
        return await self._steps.run(RULE, process=self.process, life_ms=3000) == [b"yes"]

    async def dead(self) -> list[Estate]:
        """Find the processes that have not been heard of for LIFE_S, with what they held."""
        rows = await self._steps.run(DEAD, life_ms=round(LIFE_S * 1000))
        return [_estate(row) for row in rows]

    async def forget(self, estate: Estate) -> None:
        """Drop a dead process whose estate has been settled, unless it holds more by now."""
        held = json.dumps([" ".join(one) for one in estate.held])
        await self._steps.run(FORGET, process=estate.process, held=held)


def _estate(row: Answer) -> Estate:
    process, members = row
    held = (member.decode().split(" ", 2) for member in members)
    return Estate(
        ProcessId(process.decode()), tuple((kind, id_, token) for kind, id_, token in held)
    )


class Heartbeat(threading.Thread):
    """Beats from its own thread, so that a busy event loop does not look dead."""

    def __init__(self, redis: Redis, process: ProcessId) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._redis = redis
        self._process = process
        self._ended = threading.Event()

    @override
    def run(self) -> None:
        """Beat until told to end; a Redis that is away is tried again at the next beat."""
        while not self._ended.is_set():
            try:
                self._redis.eval(BEAT.text, 0, self._process)
            except RedisError:
                self._redis.connection_pool.disconnect()
            self._ended.wait(BEAT_S)

    def end(self) -> None:
        """Stop beating."""
        self._ended.set()
        self.join()
        self._redis.close()
