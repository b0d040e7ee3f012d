-- Turns of a workflow: how many of its calls run at once, and how many are sent in a time.
--
-- A call that may run has a slot, which ends by itself should its worker die. The others stand in
-- line in the order they came.
local clock = require 'clock'
local keys = require 'keys'
local pauses = require 'pauses'
local records = require 'records'
local signals = require 'signals'
local turns = {}

-- A slot that was given is kept for so long for the worker that is to take the call.
turns.KEPT_MS = 30000

-- Find out whether a queued call has a slot, or can have one now, and when its rate lets it go: in
-- how many milliseconds it is to be looked at again, 0 if it may go on. A call that waits stands in
-- line from here on, and is looked at the later the longer its line is: it is woken when its turn
-- comes.
-- step turns.take(call_id, look_again_ms: number) -> int
function turns.take(call_id, look_again_ms)
  local c = records.fields(keys.call(call_id), 'status', 'server', 'workflow', 'concurrency',
    'order', 'rate_count', 'rate_ms', 'sends_at', 'execution')
  if c.status ~= 'queued' then return 0 end
  local waits_ms
  if turns.has_slot(call_id, c) then
    waits_ms = turns.waits_ms(call_id, c)
    turns.keep(call_id, c, waits_ms + turns.KEPT_MS)
  else
    waits_ms = look_again_ms + 100 * redis.call('ZRANK', keys.turns(c.server, c.workflow), call_id)
  end
  if waits_ms > 0 then redis.call('ZADD', keys.due_calls(), clock.now_ms + waits_ms, call_id) end
  return waits_ms
end

-- Has a call a slot, or can it have one now? If not, it stands in line from here on. One that is
-- followed while its workflow is paused needs none of those that are free: no other begins.
function turns.has_slot(call_id, c)
  local slots = keys.slots(c.server, c.workflow)
  if c.execution and pauses.since(c.server, c.workflow) then
    turns.keep(call_id, c, turns.KEPT_MS)
  elseif not redis.call('ZSCORE', slots, call_id) then
    redis.call('ZADD', keys.turns(c.server, c.workflow), c.order, call_id)
    turns.admit(call_id, c)
  end
  return redis.call('ZSCORE', slots, call_id)
end

-- Give free slots to those first in line; a call but the one that asks is due at once. A workflow
-- that is paused has none.
function turns.admit(asking, c)
  if pauses.since(c.server, c.workflow) then return end
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

-- Give the slots that are free to those who wait for one, after a call has left its own.
function turns.pass_on(call_id)
  local c = records.fields(keys.call(call_id), 'server', 'workflow', 'concurrency')
  if c.concurrency then turns.admit('', c) end
end

-- Keep the slot of a call for so long.
function turns.keep(call_id, c, ms)
  redis.call('ZADD', keys.slots(c.server, c.workflow), clock.now_ms + ms, call_id)
end

-- In how many milliseconds a call may be sent by the rate of its workflow. It is given the next
-- moment that is free, and keeps it. A call that was sent already is only followed: it waits for
-- nothing.
function turns.waits_ms(call_id, c)
  if c.rate_count == '0' or c.execution then return 0 end
  if not c.sends_at then
    local times = keys.sends(c.server, c.workflow)
    local earlier = redis.call('LINDEX', times, -c.rate_count)
    c.sends_at = earlier and math.max(clock.now_ms, earlier + c.rate_ms) or clock.now_ms
    redis.call('RPUSH', times, c.sends_at)
    redis.call('LTRIM', times, -c.rate_count, -1)
    redis.call('PEXPIRE', times, c.sends_at - clock.now_ms + c.rate_ms)
    redis.call('HSET', keys.call(call_id), 'sends_at', c.sends_at)
  end
  return math.max(c.sends_at - clock.now_ms, 0)
end

return turns
