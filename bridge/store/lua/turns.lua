-- Turns of a workflow: how many of its calls run at once, and how many are sent in a time.
--
-- A call that may run has a slot, which ends by itself should its worker die. The others stand in
-- line in the order they came.
local clock = require 'clock'
local keys = require 'keys'
local records = require 'records'
local signals = require 'signals'
local turns = {}

-- A slot that was given is kept for so long for the worker that is to take the call.
turns.KEPT_MS = 30000

-- Has a call a slot, or can it have one now? If not, it stands in line from here on. Of `c` it
-- takes server, workflow, concurrency and order.
function turns.has_slot(call_id, c)
  local slots = keys.slots(c.server, c.workflow)
  if not redis.call('ZSCORE', slots, call_id) then
    redis.call('ZADD', keys.turns(c.server, c.workflow), c.order, call_id)
    turns.admit(call_id, c)
  end
  return redis.call('ZSCORE', slots, call_id)
end

-- Give free slots to those first in line; a call but the one that asks is due at once.
function turns.admit(asking, c)
  local slots, line = keys.slots(c.server, c.workflow), keys.turns(c.server, c.workflow)
  redis.call('ZREMRANGEBYSCORE', slots, '-inf', clock.now_ms)
  while redis.call('ZCARD', slots) < tonumber(c.concurrency) do
    local first = redis.call('ZPOPMIN', line)[1]
    if not first then return end
    if first == asking then
      redis.call('ZADD', slots, clock.now_ms + turns.KEPT_MS, asking)
    elseif redis.call('HGET', keys.call(first), 'status') == 'queued' then
      redis.call('ZADD', slots, clock.now_ms + turns.KEPT_MS, first)
      redis.call('ZADD', keys.due_calls(), clock.now_ms, first)
      signals.notify('due_calls')
    end
  end
end

-- Take the slot from a call, or its turn, and give it to the next.
function turns.leave(call_id, c)
  local left = redis.call('ZREM', keys.slots(c.server, c.workflow), call_id)
    + redis.call('ZREM', keys.turns(c.server, c.workflow), call_id)
  if left > 0 then turns.admit(call_id, c) end
end

-- Keep the slot of a call for so long.
function turns.keep(call_id, c, ms)
  redis.call('ZADD', keys.slots(c.server, c.workflow), clock.now_ms + ms, call_id)
end

-- In how many milliseconds a call may be sent by the rate of its workflow. It is given the next
-- moment that is free, and keeps it. A call that was sent already is only followed: it waits for
-- nothing.
function turns.waits_ms(call_id, c)
  local call = keys.call(call_id)
  local r = records.fields(call, 'rate_count', 'rate_ms', 'sends_at')
  if r.rate_count == '0' or c.execution then return 0 end
  if not r.sends_at then
    local times = keys.sends(c.server, c.workflow)
    local earlier = redis.call('LINDEX', times, -r.rate_count)
    r.sends_at = earlier and math.max(clock.now_ms, earlier + r.rate_ms) or clock.now_ms
    redis.call('RPUSH', times, r.sends_at)
    redis.call('LTRIM', times, -r.rate_count, -1)
    redis.call('PEXPIRE', times, r.sends_at - clock.now_ms + r.rate_ms)
    redis.call('HSET', call, 'sends_at', r.sends_at)
  end
  return r.sends_at - clock.now_ms
end

return turns
