"""Steps whose Lua still stands in Python texts."""

import hashlib
import re
from typing import Any

from bridge.store.keys import KEYS, WAKE_CHANNEL
from bridge.store.layout import LUA

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
    `note(key, what, said)` to add a line to the timeline of the record at `key`, and `layout`.
    A step may be repeated with the same arguments: the second run changes nothing more.
    """

    def __init__(self, args: str, lua: str) -> None:
        self.args = tuple(args.split())
        lines = [f"local {name} = ARGV[{i}]" for i, name in enumerate(self.args, 1)]
        shared = [text for name, text in _SHARED.items() if re.search(rf"\b{name}\(", lua)]
        used = "\n".join([*shared, lua])
        keys = [key.lua() for key in KEYS if re.search(rf"\b{key.name}_key\(", used)]
        self.text = "\n".join([LUA, *lines, _CLOCK, *keys, *shared, lua])
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def command(self, values: dict[str, Value]) -> tuple[Value, ...]:
        """Format the EVALSHA command for these named values."""
        return ("EVALSHA", self.sha, 0, *(_encoded(values[name]) for name in self.args))


def _encoded(value: Value) -> bytes:
    # Half a surrogate pair has no UTF-8 form; as "?" it can hurt nobody.
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
