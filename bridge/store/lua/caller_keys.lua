-- Keys that `Bridge-Caller` is signed with: one signs, another may be about to, and earlier ones
-- are kept for as long as what they have signed counts.
local clock = require 'clock'
local keys = require 'keys'
local signals = require 'signals'
local caller_keys = {}

-- The signal that the keys are others (CHANGED in caller_keys.py).
caller_keys.CHANGED = 'caller_keys'

-- A key as it is kept: when it signs from and when it ends, 0 for never, and behind these the key.
function caller_keys.parsed(key_id, kept)
  local signs_at, ends_at, private = kept:match('^(%d+) (%d+)\n(.*)$')
  signs_at, ends_at = tonumber(signs_at), tonumber(ends_at)
  return {key_id = key_id, private = private, signs_at = signs_at,
    signs_in_ms = signs_at - clock.now_ms, ends_at = ends_at > 0 and ends_at or nil}
end

-- Keep a key.
function caller_keys.put(key_id, private, signs_at, ends_at)
  local kept = string.format('%.0f %.0f\n%s', signs_at, ends_at, private)
  redis.call('HSET', keys.caller_keys(), key_id, kept)
end

-- Read the keys that count; where there is none, one that is given becomes the first. Those that
-- have ended are forgotten.
-- step caller_keys.read(key_id, private)
--   -> [{key_id, private, signs_at: int, signs_in_ms: int, ends_at?: int}]
function caller_keys.read(key_id, private)
  local rows, flat = {}, redis.call('HGETALL', keys.caller_keys())
  for i = 1, #flat, 2 do
    local row = caller_keys.parsed(flat[i], flat[i + 1])
    if row.ends_at and row.ends_at <= clock.now_ms then
      redis.call('HDEL', keys.caller_keys(), flat[i])
    else
      rows[#rows + 1] = row
    end
  end
  if #rows == 0 and key_id ~= '' then
    caller_keys.put(key_id, private, clock.now_ms, 0)
    rows[1] = caller_keys.parsed(key_id, redis.call('HGET', keys.caller_keys(), key_id))
  end
  return rows
end

-- Have a new key sign after a while, or at once where it is the first; those before it end
-- `lives_ms` after that, or at once if there is no while. The same key again changes nothing.
-- step caller_keys.rotate(key_id, private, delay_ms: number, lives_ms: number) -> nothing
function caller_keys.rotate(key_id, private, delay_ms, lives_ms)
  if redis.call('HEXISTS', keys.caller_keys(), key_id) == 1 then return end
  local before = caller_keys.read('', '')
  if #before == 0 then delay_ms = 0 end
  local signs_at = clock.now_ms + delay_ms
  for _, earlier in ipairs(before) do
    if delay_ms == 0 then
      redis.call('HDEL', keys.caller_keys(), earlier.key_id)
    elseif not earlier.ends_at then
      caller_keys.put(earlier.key_id, earlier.private, earlier.signs_at, signs_at + lives_ms)
    end
  end
  caller_keys.put(key_id, private, signs_at, 0)
  signals.notify(caller_keys.CHANGED)
end

return caller_keys
