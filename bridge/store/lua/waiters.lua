-- Takers that wait for an event, and which of them an event is for.
--
-- A waiting taker stands in the line `hook-NAME` of each hook that it wants, or in `any` for all
-- of them; and in `principal-NAME`, which is only counted. A line lists processes by the first of
-- their takers, and each process has a part of the line: so whatever the length of a line, a step
-- looks at its beginning alone, and a dead process leaves it at once, with all its takers.
--
-- The step that queues an event wakes the first who wants it, and nobody else. That one comes and
-- has all be served in turn for whom something is queued: `match` leases it to them.
local clock = require 'clock'
local counters = require 'counters'
local events = require 'events'
local keys = require 'keys'
local pauses = require 'pauses'
local processes = require 'processes'
local questions = require 'questions'
local records = require 'records'
local signals = require 'signals'
local timeline = require 'timeline'
local waiters = {}

-- For how long a line outlives the last taker that came to it, in seconds.
waiters.KEPT_S = 600

-- Lease a queued event to a taker: {principal, token, process, origin?}. What the token took is
-- remembered for a minute, so that the step may be repeated.
function waiters.lease(event_id, taker)
  local key = keys.event(event_id)
  local e = records.fields(key, 'server', 'hook', 'lease_s', 'order', 'call', 'attempt', 'timeline')
  redis.call('ZREM', keys.inbox(e.server, e.hook, 'queued'), event_id)
  redis.call('ZADD', keys.inbox(e.server, e.hook, 'leased'), e.order, event_id)
  counters.add(1, 'queue', e.server, e.hook, counters.class(clock.now_ms - e.order / 1000))
  redis.call('HSET', key, 'status', 'leased', 'lease', taker.token, 'leased_by', taker.principal,
    'holder', taker.process, 'attempt', e.attempt + 1, 'timeline', timeline.longer(key, e.timeline
    or '', 'taken', {by = taker.principal, attempt = e.attempt + 1, tool_use = taker.origin}))
  redis.call('ZADD', keys.event_leases(), clock.now_ms + e.lease_s * 1000, event_id)
  processes.hold(taker.process, 'event ' .. event_id .. ' ' .. taker.token)
  redis.call('SET', keys.taken(taker.token), event_id, 'EX', 60)
  questions.mark(event_id, e.call, true)
  signals.notify('left:' .. e.server)
end

-- Have a process stand in a line where the first of its takers stands, or not at all without one.
function waiters.place_process(server, line, process)
  local first = redis.call('ZRANGE', keys.waiters(server, line, process), 0, 0, 'WITHSCORES')
  if first[1] then return redis.call('ZADD', keys.line(server, line), first[2], process) end
  redis.call('ZREM', keys.line(server, line), process)
end

-- Take a dead process out of a line, and forget all its takers.
function waiters.drop_process(server, line, process)
  redis.call('ZREM', keys.line(server, line), process)
  redis.call('UNLINK', keys.waiters(server, line, process), keys.takers(process))
end

-- Take a taker out of its lines, and return what is known of it; nil if it stands in none.
function waiters.leave_lines(process, waiter)
  local known = redis.call('HGET', keys.takers(process), waiter)
  if not known then return end
  local taker = cjson.decode(known)
  for _, line in ipairs(taker.lines) do
    redis.call('ZREM', keys.waiters(taker.server, line, process), waiter)
    waiters.place_process(taker.server, line, process)
  end
  return taker
end

-- Forget a taker that has its event, or wants none any more.
function waiters.forget(process, waiter)
  waiters.leave_lines(process, waiter)
  redis.call('HDEL', keys.takers(process), waiter)
  redis.call('SREM', keys.named(process), waiter)
end

-- The first taker in a line whose process lives; what is found dead on the way leaves the line.
function waiters.first_in(server, line)
  while true do
    local first = redis.call('ZRANGE', keys.line(server, line), 0, 0, 'WITHSCORES')
    local process = first[1]
    if not process then return end
    if processes.lives(process) then
      local waiter = redis.call('ZRANGE', keys.waiters(server, line, process), 0, 0)[1]
      if waiter and redis.call('HEXISTS', keys.takers(process), waiter) == 1 then
        return {order = tonumber(first[2]), process = process, waiter = waiter}
      end
      if waiter then redis.call('ZREM', keys.waiters(server, line, process), waiter) end
      waiters.place_process(server, line, process)
    else
      waiters.drop_process(server, line, process)
    end
  end
end

-- The taker that an event of a hook is for: of those who want this hook or any, the first.
function waiters.first_for(server, hook)
  local one, any = waiters.first_in(server, 'hook-' .. hook), waiters.first_in(server, 'any')
  return one and (not any or one.order < any.order) and one or any
end

-- Lease an event to a taker found in a line and wake it. It has ten minutes to come for the event
-- before another step forgets that it was named.
function waiters.serve(first, event_id)
  local taker = waiters.leave_lines(first.process, first.waiter)
  taker.process = first.process
  waiters.lease(event_id, taker)
  redis.call('EXPIRE', keys.taken(taker.token), waiters.KEPT_S)
  redis.call('SADD', keys.named(first.process), first.waiter)
  redis.call('EXPIRE', keys.named(first.process), waiters.KEPT_S)
  signals.notify('taker:' .. first.waiter)
end

-- Wake the first in each line for a hook, unless it is paused. Dead processes hear nothing, so they
-- are passed over.
function waiters.wake_first(server, hook)
  for _, line in ipairs(pauses.since(server, hook) and {} or {'hook-' .. hook, 'any'}) do
    for _, process in ipairs(redis.call('ZRANGE', keys.line(server, line), 0, -1)) do
      local first = redis.call('ZRANGE', keys.waiters(server, line, process), 0, 0)[1]
      if first and processes.lives(process) then
        signals.notify('taker:' .. first)
        break
      end
    end
  end
end

-- Does anybody stand in line for a hook?
function waiters.are_there(server, hook)
  return redis.call('EXISTS', keys.line(server, 'hook-' .. hook), keys.line(server, 'any')) > 0
end

-- The oldest queued event of the highest priority in some lines, and its hook; `hooks` lists
-- {name, priority}.
function waiters.best_for(server, hooks, lines)
  local wanted, best = {}, nil
  for _, line in ipairs(lines) do wanted[line] = true end
  for _, hook in ipairs(hooks) do
    local name, priority = hook[1], hook[2]
    if (wanted.any or wanted['hook-' .. name]) and not pauses.since(server, name) then
      local id, order = events.oldest(keys.inbox(server, name, 'queued'))
      local is_better = id and (not best or priority > best.priority
        or (priority == best.priority and order < best.order))
      if is_better then best = {id = id, hook = name, order = order, priority = priority} end
    end
  end
  if best then return best.id, best.hook end
end

-- The first in line of all for whom an event is queued.
function waiters.first_of_all(server, hooks)
  local first
  for _, hook in ipairs(hooks) do
    local is_open = not pauses.since(server, hook[1])
    local found = is_open and events.oldest(keys.inbox(server, hook[1], 'queued'))
      and waiters.first_for(server, hook[1])
    if found and (not first or found.order < first.order) then first = found end
  end
  return first
end

-- Serve those for whom an event is queued: two hundred at most, for all others wait meanwhile.
-- step waiters.match(server, hooks: json) -> nothing
function waiters.match(server, hooks)
  for _ = 1, 200 do
    local first = waiters.first_of_all(server, hooks)
    local known = first and redis.call('HGET', keys.takers(first.process), first.waiter)
    local event_id = known and waiters.best_for(server, hooks, cjson.decode(known).lines)
    if not event_id then return end
    waiters.serve(first, event_id)
  end
end

return waiters
