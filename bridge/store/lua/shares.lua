-- Shares: how much of a workflow one principal may have, so many calls at once and in a time.
--
-- A call of such a workflow says so in `share`: calls at once, calls in a time, and that time in
-- ms, each 0 for any number. It takes a part of its principal's share before it stands in line for
-- a slot, and keeps it until its attempt has ended. Who finds none left waits in a line of the
-- principal's own: so a principal at its limit keeps no other from a slot.
local clock = require 'clock'
local keys = require 'keys'
local records = require 'records'
local signals = require 'signals'
local turns = require 'turns'
local shares = {}

-- A part lasts for so long beyond the time of an attempt: the attempt is to begin within that.
shares.FRESH_MS = 5000

-- The keys of a principal's share: who has a part of it, what counts for its rate, and who waits.
function shares.keys(c)
  return keys.share_held(c.server, c.workflow, c.principal),
    keys.share_sends(c.server, c.workflow, c.principal),
    keys.share_line(c.server, c.workflow, c.principal)
end

-- Has a call a part that lasts until its next attempt has surely ended?
function shares.lasts(call_id, c)
  local held = keys.share_held(c.server, c.workflow, c.principal)
  return tonumber(redis.call('ZSCORE', held, call_id) or 0) > clock.now_ms + c.timeout_ms + 60000
end

-- May an index of members, each with its end, have another one of `limit`?
function shares.has_room(index, limit)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', clock.now_ms)
  return limit == '0' or redis.call('ZCARD', index) < tonumber(limit)
end

-- What counts for the rate is an attempt: the next one of a call.
function shares.attempt(call_id, c) return call_id .. ' ' .. c.attempt + 1 end

-- Give a call a part, which counts for the rate from now on.
function shares.give(call_id, c, rate_ms)
  local held, sends = shares.keys(c)
  local lasts_ms = c.timeout_ms + 60000 + shares.FRESH_MS
  redis.call('ZADD', held, clock.now_ms + lasts_ms, call_id)
  redis.call('PEXPIRE', held, lasts_ms)
  if rate_ms == '0' or c.execution then return end
  redis.call('ZADD', sends, clock.now_ms + rate_ms, shares.attempt(call_id, c))
  redis.call('PEXPIRE', sends, rate_ms)
end

-- Give the parts that are left to those first in the principal's line that still wait; a call but
-- the one that asks is due at once.
function shares.admit(asking, c)
  local at_once, count, rate_ms = c.share:match('^(%d+) (%d+) (%d+)$')
  local held, sends, line = shares.keys(c)
  while shares.has_room(held, at_once) and shares.has_room(sends, count) do
    local first = redis.call('ZPOPMIN', line)[1]
    if not first then return end
    local f = first == asking and c or records.fields(keys.call(first), 'status', 'server',
      'principal', 'workflow', 'attempt', 'timeout_ms')
    if f.status == 'queued' then shares.give(first, f, rate_ms) end
    if f.status == 'queued' and first ~= asking then
      redis.call('ZADD', keys.due_calls(), clock.now_ms, first)
      signals.notify('due_calls')
    end
  end
end

-- Find out whether a queued call has a part of its principal's share, or can have one now: in how
-- many milliseconds it is to be looked at again, 0 if it may go on. A call that waits stands in
-- line from here on, and has no slot meanwhile.
-- step shares.take(call_id, look_again_ms: number) -> int
function shares.take(call_id, look_again_ms)
  local c = records.fields(keys.call(call_id), 'status', 'server', 'principal', 'workflow',
    'concurrency', 'order', 'execution', 'share', 'attempt', 'timeout_ms')
  if c.status ~= 'queued' or shares.has(call_id, c) then return 0 end
  local waits_ms = shares.waits_ms(call_id, c) or look_again_ms
  redis.call('ZADD', keys.due_calls(), clock.now_ms + waits_ms, call_id)
  redis.call('ZREM', keys.slots(c.server, c.workflow), call_id)
  redis.call('ZREM', keys.turns(c.server, c.workflow), call_id)
  turns.admit('', c)
  return waits_ms
end

-- Has a call a part, or can it have one now? One that it has is renewed, unless its rate has none
-- left by now. One that is followed was sent already, and waits for nothing.
function shares.has(call_id, c)
  local _, count, rate_ms = c.share:match('^(%d+) (%d+) (%d+)$')
  local held, sends, line = shares.keys(c)
  local counts = count == '0' or redis.call('ZSCORE', sends, shares.attempt(call_id, c))
  if c.execution or counts and redis.call('ZSCORE', held, call_id) then
    shares.give(call_id, c, rate_ms)
    return true
  end
  redis.call('ZREM', held, call_id)
  redis.call('ZADD', line, c.order, call_id)
  redis.call('PEXPIRE', line, rate_ms + 3600000)
  shares.admit(call_id, c)
  return not redis.call('ZSCORE', line, call_id)
end

-- In how many milliseconds the rate of its principal has a part left for a call in line; nil if it
-- does not wait for that.
function shares.waits_ms(call_id, c)
  local count = c.share:match('^%d+ (%d+) ')
  local _, sends, line = shares.keys(c)
  local place = redis.call('ZCARD', sends) - count + redis.call('ZRANK', line, call_id)
  if count == '0' or place < 0 then return end
  local ends_at = redis.call('ZRANGE', sends, place, place, 'WITHSCORES')[2]
  return ends_at and math.max(ends_at - clock.now_ms, 1)
end

-- Give what is free to those who wait for it, after a call has left it: its part of a share, and
-- its slot.
-- step shares.pass_on(call_id) -> nothing
function shares.pass_on(call_id)
  local c = records.fields(keys.call(call_id), 'server', 'principal', 'workflow', 'share')
  if c.share then shares.admit('', c) end
  turns.pass_on(call_id)
end

return shares
