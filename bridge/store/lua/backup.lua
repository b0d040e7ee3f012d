-- Backup: records as they are kept, each read whole at one moment with all that belongs to it.
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local processes = require 'processes'
local backup = {}

-- What the bridge is at this moment, and how many of its processes live.
-- step backup.standing()
--   -> {name?, order?, layout: int, now_ms: int, living: int}
function backup.standing()
  local since = clock.now_ms - processes.LIFE_MS
  return {name = redis.call('GET', keys.identity()), order = layouts.kept[2],
    layout = layouts.now, now_ms = clock.now_ms,
    living = redis.call('ZCOUNT', keys.processes(), '(' .. since, '+inf')}
end

-- The value of a key as a list of texts.
function backup.value(key, kind)
  if kind == 'string' then return {redis.call('GET', key)} end
  if kind == 'hash' then return redis.call('HGETALL', key) end
  if kind == 'list' then return redis.call('LRANGE', key, 0, -1) end
  if kind == 'set' then return redis.call('SMEMBERS', key) end
  return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
end

-- Add a key to a record, if it is there; returns how many bytes it holds.
function backup.add(found, key)
  local kind, bytes = redis.call('TYPE', key).ok, 0
  if kind == 'none' then return 0 end
  local value = backup.value(key, kind)
  for _, each in ipairs(value) do bytes = bytes + #each end
  found[#found + 1] = {key = key, kind = kind, value = value,
    expires_at_ms = math.max(redis.call('PEXPIRETIME', key), 0)}
  return bytes
end

-- An event with its reply and its files, and where it stands in what is ordered by moments.
function backup.event(id)
  local found, number = {}, 0
  local bytes = backup.add(found, keys.event(id)) + backup.add(found, keys.reply(id))
    + backup.add(found, keys.attempts(id))
  while redis.call('EXISTS', keys.file(id, number)) == 1 do
    bytes, number = bytes + backup.add(found, keys.file(id, number)), number + 1
  end
  return {keys = found, lease_ends_at_ms = redis.call('ZSCORE', keys.event_leases(), id),
    expires_at_ms = redis.call('ZSCORE', keys.event_deadlines(), id),
    died_at_ms = redis.call('ZSCORE', keys.dead_replies(), id)}, bytes
end

-- A call with its result.
function backup.call(id)
  local found = {}
  local bytes = backup.add(found, keys.call(id)) + backup.add(found, keys.result(id))
    + backup.add(found, keys.result_file(id))
  return {keys = found}, bytes
end

-- A subscription, and its number in the list of all.
function backup.subscription(id)
  local found = {}
  local bytes = backup.add(found, keys.subscription(id))
  return {keys = found, listed_at = redis.call('ZSCORE', keys.subscriptions(), id)}, bytes
end

-- What is a record by itself.
function backup.alone(key)
  local found = {}
  local bytes = backup.add(found, key)
  return {keys = found}, bytes
end

-- Read records of a kind by their ids, or keys that are records by themselves, in order; no more
-- once they hold so many bytes, so that the answer is bounded.
-- step backup.read(kind, names: json, most_bytes: number) -> [{
--   keys: [{key, kind, expires_at_ms: int, value: [text]}],
--   lease_ends_at_ms?, expires_at_ms?, died_at_ms?, listed_at?}]
function backup.read(kind, names, most_bytes)
  local rows, read_bytes = {}, 0
  for _, name in ipairs(names) do
    local row, bytes
    if kind == 'event' then
      row, bytes = backup.event(name)
    elseif kind == 'call' then
      row, bytes = backup.call(name)
    elseif kind == 'subscription' then
      row, bytes = backup.subscription(name)
    else
      row, bytes = backup.alone(name)
    end
    rows[#rows + 1], read_bytes = row, read_bytes + bytes
    if read_bytes > most_bytes then break end
  end
  return rows
end

return backup
