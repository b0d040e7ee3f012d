-- What operators ask beside the records themselves.
local clock = require 'clock'
local events = require 'events'
local keys = require 'keys'
local pauses = require 'pauses'
local records = require 'records'
local signals = require 'signals'
local turns = require 'turns'
local waiters = require 'waiters'
local operators = {}

-- Read Redis's clock.
-- step operators.now_ms() -> int
function operators.now_ms() return clock.now_ms end

-- Name every total that was ever counted, and by that every hook that ever received an event.
-- step operators.totals() -> [text]
function operators.totals() return redis.call('HKEYS', keys.counters()) end

-- Name the servers that have had calls.
-- step operators.call_servers() -> [text]
function operators.call_servers() return redis.call('ZRANGE', keys.call_servers(), 0, -1) end

-- Name the principals whose calls may still be on record, each as JSON.
-- step operators.callers() -> [text]
function operators.callers() return redis.call('ZRANGE', keys.callers(), 0, -1) end

-- Pause a place; one that is paused stays so as it is.
-- step operators.pause(place, by) -> {by, at}
function operators.pause(place, by) return pauses.begin(place, by) end

-- Resume a place of a server, and have those come who wait for these parts of it. Was it paused?
-- step operators.resume(place, server, parts: json) -> bool
function operators.resume(place, server, parts)
  if not pauses.lift(place) then return false end
  for _, part in ipairs(parts) do
    waiters.wake_first(server, part)
    local first = redis.call('ZRANGE', keys.turns(server, part), 0, 0)[1]
    if first then turns.pass_on(first) end
  end
  signals.notify('events:' .. server)
  return true
end

-- Queue an event again that an operator takes from its taker: the attempt is not counted, and what
-- the taker answers is accepted until another has taken it.
-- step operators.take_back(event_id, by) -> {outcome, status?}
function operators.take_back(event_id, by)
  local event = keys.event(event_id)
  local e = records.fields(event, 'lease', 'holder', 'attempt', unpack(events.MOVED))
  if not e.status then return {outcome = 'unknown'} end
  if e.status ~= 'leased' then return {outcome = 'refused', status = e.status} end
  events.end_lease(event_id, e.lease, e.holder)
  events.move(event_id, e, 'queued', 'released', {by = by, to = 'queued'},
    'attempt', e.attempt - 1)
  waiters.wake_first(e.server, e.hook)
  return {outcome = 'released', status = 'queued'}
end

-- Expire an event that is not settled, as its time does; n8n gets the default reply, if there is
-- one. A dead one stays dead, but n8n need not wait for it any longer.
-- step operators.expire(event_id, reason) -> {outcome, status?}
function operators.expire(event_id, reason)
  local status = redis.call('HGET', keys.event(event_id), 'status')
  if not status then return {outcome = 'unknown'} end
  if status == 'answered' or status == 'expired' then
    return {outcome = 'refused', status = status}
  end
  redis.call('ZREM', keys.event_deadlines(), event_id)
  events.expire(event_id, reason)
  local now = redis.call('HGET', keys.event(event_id), 'status')
  return {outcome = 'expired', status = now}
end

-- Name the events of a hook that are leased, and the calls of a workflow that run.
-- step operators.under_way(server, part) -> {events: [text], calls: [text]}
function operators.under_way(server, part)
  local running = {}
  for _, call_id in ipairs(redis.call('ZRANGE', keys.slots(server, part), 0, -1)) do
    local is_running = redis.call('HGET', keys.call(call_id), 'status') == 'running'
    if is_running then running[#running + 1] = call_id end
  end
  local leased = redis.call('ZRANGE', keys.inbox(server, part, 'leased'), 0, -1)
  return {events = leased, calls = running}
end

return operators
