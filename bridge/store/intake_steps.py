"""What accepting an event may have to look at first and write beside it, in Lua."""

from bridge.store.scripts import Script
from bridge.store.subscription_steps import TELL

ROOM = (
    TELL
    + """
local function refusal()
  if rate_count ~= '0' then
    local came = arrivals_key(server, hook)
    local spare = redis.call('LLEN', came) - rate_count
    local free_at = spare >= 0 and redis.call('LINDEX', came, spare) + rate_ms or now
    if free_at > now then return {'too many', string.format('%.0f', free_at - now)} end
  end
  if queued_max ~= '0' then
    local queued = redis.call('ZCARD', inbox_key(server, hook, 'queued'))
      + redis.call('ZCARD', inbox_key(server, hook, 'delayed'))
    if queued >= tonumber(queued_max) then return {'full', '10000'} end
  end
end
local function arrive()
  tell_subscribers()
  if rate_count == '0' then return end
  redis.call('RPUSH', arrivals_key(server, hook), now)
  redis.call('LTRIM', arrivals_key(server, hook), -rate_count, -1)
  redis.call('PEXPIRE', arrivals_key(server, hook), rate_ms)
end
"""
)
"""`refusal()` of a hook that takes in no more, with the ms after which it may; `arrive()` counts, and
has those told who subscribe."""

FILES = """
local function keep_files(id, lives_s)
  local at = 1
  for number, size in ipairs(cjson.decode(file_sizes)) do
    redis.call('SET', file_key(id, number - 1), string.sub(files, at, at + size - 1), 'EX', lives_s)
    at = at + size
  end
end
"""

MERGE = """
local function queued_of_its_kind()
  local open = coalesce ~= '' and redis.call('GET', coalesce_key(coalesce))
  if not open then return nil end
  local e = redis.call('HMGET', event_key(open), 'status', 'lease')
  return (e[1] == 'queued' or e[1] == 'delayed') and not e[2] and open or nil
end
local function merge(into)
  redis.call('HSET', event_key(into), 'body', body, 'media_type', media_type, 'summary', summary, 'kept', kept)
  redis.call('HINCRBY', event_key(into), 'merged', 1)
  keep_files(into, math.max(redis.call('TTL', event_key(into)), 1))
  note(event_key(into), 'merged', {request = id, execution = execution})
  redis.call('SET', merged_key(id), into, 'EX', 60)
end
"""
"""`queued_of_its_kind()` is the event that nobody has seen yet; `merge(into)` makes this a part of it."""

READ_FILE = Script(
    "id number first last",
    "return {redis.call('GETRANGE', file_key(id, number), first, last), "
    "redis.call('STRLEN', file_key(id, number))}",
)
