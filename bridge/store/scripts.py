"""Atomic steps: Lua whose arguments and keys have names, run many at a time in one round trip."""

import asyncio
import contextlib
import hashlib
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from bridge.ending import end
from bridge.errors import StoreUnavailableError
from bridge.redis_faults import SILENT, RedisFault, fault_of
from bridge.store.keys import KEYS, WAKE_CHANNEL

logger = logging.getLogger(__name__)

BATCH_MAX = 256
PAUSE_S = 0.05
Value = str | bytes | int | float
Answer = list[Any]
"""What a step returns: bytes and lists of them, as Redis tells Lua's tables."""

_CLOCK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""
_SHARED = {
    "ring": f"local function ring(name) redis.call('PUBLISH', '{WAKE_CHANNEL}', name) end",
    "fields": """
local function fields(key, ...)
  local found, named = redis.call('HMGET', key, ...), {}
  for i, name in ipairs({...}) do named[name] = found[i] end
  return named
end""",
    "hold": """
local function hold(process, what)
  redis.call('SADD', held_key(process), what)
  redis.call('ZADD', processes_key(), 'NX', now, process)
end""",
    "count": """
local function count(by, ...)
  redis.call('HINCRBY', counters_key(), table.concat({...}, '|'), by)
end""",
    # A line in the record itself costs no key and dies with it. The first 20 lines and the last 40
    # stay: how it began, and how it ended. No line is shorter than 33 bytes, so few need counting.
    "note": """
local function note(key, what, said)
  if redis.call('EXISTS', key) == 0 then return end
  local line = {at = now, what = what}
  for name, value in pairs(said or {}) do
    if value ~= '' then line[name] = type(value) == 'string' and value:sub(1, 300) or value end
  end
  local lines = (redis.call('HGET', key, 'timeline') or '') .. cjson.encode(line) .. '\\n'
  if #lines > 60 * 33 and select(2, lines:gsub('\\n', '')) > 60 then
    local from = 0
    for _ = 1, 20 do from = lines:find('\\n', from + 1, true) end
    lines = lines:sub(1, from) .. lines:sub(lines:find('\\n', from + 1, true) + 1)
    redis.call('HINCRBY', key, 'left_out', 1)
  end
  redis.call('HSET', key, 'timeline', lines)
end""",
    "next_order": """
local function next_order()
  local order = clock[1] * 1000000 + clock[2]
  local last = tonumber(redis.call('GET', order_key()) or 0)
  if order <= last then order = last + 1 end
  redis.call('SET', order_key(), string.format('%.0f', order))
  return string.format('%.0f', order)
end""",
}


class Script:
    """One atomic step of Redis.

    The Lua sees each name of `args` as a local string, `now` in milliseconds on Redis's clock,
    `<family>_key(…)` of every key family, `ring(name)` to wake listeners, `next_order()`, and
    `note(key, what, said)` to add a line to the timeline of the record at `key`.
    A step may be repeated with the same arguments: the second run changes nothing more.
    """

    def __init__(self, args: str, lua: str) -> None:
        self.args = tuple(args.split())
        lines = [f"local {name} = ARGV[{i}]" for i, name in enumerate(self.args, 1)]
        shared = [text for name, text in _SHARED.items() if re.search(rf"\b{name}\(", lua)]
        used = "\n".join([*shared, lua])
        keys = [key.lua() for key in KEYS if re.search(rf"\b{key.name}_key\(", used)]
        self.text = "\n".join([*lines, _CLOCK, *keys, *shared, lua])
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def command(self, values: dict[str, Value]) -> tuple[Value, ...]:
        """Spell the EVALSHA command for these named values."""
        return ("EVALSHA", self.sha, 0, *(_encoded(values[name]) for name in self.args))


def _encoded(value: Value) -> bytes:
    # Half a surrogate pair has no UTF-8 form; as "?" it can hurt nobody.
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@dataclass(eq=False)
class _Pending:
    script: Script
    command: tuple[Value, ...]
    until: float
    done: asyncio.Future[Answer] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Steps:
    """Runs steps in the order they came, as many a round trip as have gathered (group commit).

    A script goes ahead of its first step, and of each batch that needs others too: Redis may have
    lost some of them, by a restart or SCRIPT FLUSH, and a step must not come behind later ones.
    Each step is its own atomic unit: one that fails fails alone. While Redis is away steps are
    repeated until their patience ends; where it has a fault that lasts, `is_insistent` alone
    repeats them, and what is not is given up at once.
    """

    def __init__(self, redis: Redis, patience_s: float, *, is_insistent: bool = False) -> None:
        self._redis = redis
        self.patience_s = patience_s
        self._is_insistent = is_insistent
        self._waiting: list[_Pending] = []
        self._more = asyncio.Event()
        self._loaded: set[Script] = set()
        self._refused: set[Script] = set()  # of these answers, where a connection stands
        self.fault: RedisFault | None = None
        """What kept Redis from taking the last step that it did not take, until it takes it."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the one writer running while the block lasts."""
        writer = asyncio.create_task(self._write(), name="steps")
        try:
            yield
        finally:
            await end(writer)
            for step in self._waiting:
                self._give_up(step, self.fault or SILENT)

    async def run(self, script: Script, **values: Value) -> Answer:
        """Run one step and give its answer; it is run even if whoever asked does not wait for it.

        Raises:
            StoreUnavailableError: Redis gave no answer within the patience, or has a fault that
                lasts, in whose words; the step may have run.
        """
        until = asyncio.get_running_loop().time() + self.patience_s
        step = _Pending(script, script.command(values), until)
        # Whoever asked may have left: then nobody else looks at how the step has ended.
        step.done.add_done_callback(asyncio.Future.exception)
        self._waiting.append(step)
        self._more.set()
        try:
            # A Redis that hangs keeps the writer for longer than a step may wait.
            async with asyncio.timeout_at(until):
                return await asyncio.shield(step.done)
        except TimeoutError:
            raise _unavailable(self.fault or SILENT) from None

    async def _write(self) -> None:
        while True:
            await self._more.wait()
            batch = self._waiting[:BATCH_MAX]
            again = self._in_time(await self._commit(batch))
            self._waiting[: len(batch)] = again
            if not self._waiting:
                self._more.clear()
            if again:
                await asyncio.sleep(PAUSE_S)

    async def _commit(self, batch: list[_Pending]) -> list[_Pending]:
        pipe = self._redis.pipeline(transaction=False)
        new = self._to_load({step.script for step in batch})
        for script in new:
            pipe.execute_command("SCRIPT LOAD", script.text)
        for step in batch:
            pipe.execute_command(*step.command)
        try:
            answers = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            self._loaded.clear()
            fault = fault_of(error) or RedisFault(f"the store does not answer: {error}")
            self._refused.clear()
            return [step for step in batch if not self._refuse(step, fault)]
        again = [
            step
            for step, answer in zip(batch, answers[len(new) :], strict=True)
            if not self._settle(step, answer)
        ]
        self._loaded |= new
        if any(isinstance(answer, RedisError) for answer in answers[: len(new)]) or any(
            isinstance(answer, NoScriptError) for answer in answers
        ):
            self._loaded.clear()
        return again

    def _to_load(self, scripts: set[Script]) -> set[Script]:
        """Name the scripts to send ahead: all, where one could be missing and a later one not."""
        return scripts if len(scripts) > 1 else scripts - self._loaded

    def _settle(self, step: _Pending, answer: object) -> bool:
        """Bring a step to its end; False where it is to be sent again."""
        if isinstance(answer, NoScriptError):
            return False
        if isinstance(answer, RedisError) and (fault := fault_of(answer)):
            self._refused.add(step.script)
            return self._refuse(step, fault)
        if self.fault and (not self._refused or step.script in self._refused):
            logger.info("redis.back")
            self.fault = None
            self._refused.clear()
        if step.done.done():  # its time was over meanwhile
            return True
        if isinstance(answer, RedisError):
            step.done.set_exception(answer)
        else:
            step.done.set_result(answer if isinstance(answer, list) else [])
        return True

    def _refuse(self, step: _Pending, fault: RedisFault) -> bool:
        """Note why a step was not taken; True where that is its end."""
        if fault != self.fault:
            level = logging.ERROR if fault.lasts else logging.WARNING
            logger.log(level, "redis.away", extra={"reason": fault.sentence})
            self.fault = fault
        if fault.lasts and not self._is_insistent:
            self._give_up(step, fault)
        return step.done.done()

    def _in_time(self, steps: list[_Pending]) -> list[_Pending]:
        now = asyncio.get_running_loop().time()
        for step in steps:
            if step.until <= now:
                self._give_up(step, self.fault or SILENT)
        return [step for step in steps if step.until > now]

    def _give_up(self, step: _Pending, fault: RedisFault) -> None:
        if not step.done.done():
            step.done.set_exception(_unavailable(fault))


def _unavailable(fault: RedisFault) -> StoreUnavailableError:
    return StoreUnavailableError(fault.sentence, retry_after_s=2)
