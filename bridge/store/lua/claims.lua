-- Claims: how an event comes into a taker's hands, and back into the queue.
local clock = require 'clock'
local events = require 'events'
local keys = require 'keys'
local layouts = require 'layouts'
local pauses = require 'pauses'
local processes = require 'processes'
local records = require 'records'
local waiters = require 'waiters'
local claims = {}

-- The answer that brings an event with its payload.
function claims.taken(event_id)
  local body = redis.call('HGET', keys.event(event_id), 'body')
  return {outcome = 'taken', body = body, event = events.row(event_id)}
end

-- Take an event, or stand in line for one. While others stand in line for what is queued, nothing
-- is taken past them: `in turn` says to come again once `waiters.match` has served them. Where
-- nothing is taken, `paused` says what is paused anywhere, which may be why.
-- step claims.take(wish: {server, hooks: json, lines: json, token, principal, process, waiter,
--   wait_ms: number, most: number, origin})
--   -> {outcome, body?, event?: events.row, free_in_ms?, paused?}?
function claims.take(wish)
  local answer = claims.given(wish)
  if answer ~= nil then return answer end
  local event_id, hook = waiters.best_for(wish.server, wish.hooks, wish.lines)
  if event_id then
    if waiters.are_there(wish.server, hook) then return {outcome = 'in turn'} end
    waiters.lease(event_id, wish)
    return claims.taken(event_id)
  end
  local none = layouts.kept[3] and {outcome = 'none', paused = layouts.kept[3]}
  if wish.wait_ms == 0 then return none end
  local is_new = redis.call('HEXISTS', keys.takers(wish.process), wish.waiter) == 0
  return is_new and claims.refusal(wish) or claims.stand_in_line(wish) or none
end

-- What the token of a wish took already: an answer, false for an event that was given up since, and
-- nil for nothing.
function claims.given(wish)
  local event_id = redis.call('GET', keys.taken(wish.token))
  if not event_id then return end
  if event_id == '' then return false end
  local e = records.fields(keys.event(event_id), 'status', 'lease')
  if e.status ~= 'leased' or e.lease ~= wish.token then return end
  redis.call('HDEL', keys.takers(wish.process), wish.waiter)
  redis.call('SREM', keys.named(wish.process), wish.waiter)
  redis.call('EXPIRE', keys.taken(wish.token), 60)
  return claims.taken(event_id)
end

-- Why one more of a principal may not wait: as many do as may, until the first of them gives up.
function claims.refusal(wish)
  local count, free_at, line = 0, nil, 'principal-' .. wish.principal
  local parts = redis.call('ZRANGE', keys.line(wish.server, line), 0, -1, 'WITHSCORES')
  for i = 1, #parts, 2 do
    if processes.lives(parts[i]) then
      count = count + redis.call('ZCARD', keys.waiters(wish.server, line, parts[i]))
      free_at = free_at or parts[i + 1]
    else
      waiters.drop_process(wish.server, line, parts[i])
    end
  end
  if count < wish.most then return end
  return {outcome = 'too many', free_in_ms = math.max(free_at - clock.now_ms, 0)}
end

-- Give a taker its place in each of its lines; one that stands there keeps the place it has.
function claims.stand_in_line(wish)
  local own, lines, order = 'principal-' .. wish.principal, wish.lines, clock.next_order()
  for _, line in ipairs(lines) do claims.join(wish, line, order) end
  claims.join(wish, own, clock.digits(clock.now_ms + wish.wait_ms))
  lines[#lines + 1] = own
  redis.call('HSETNX', keys.takers(wish.process), wish.waiter, cjson.encode({v = layouts.now,
    server = wish.server, lines = lines, principal = wish.principal, token = wish.token,
    origin = wish.origin}))
  redis.call('EXPIRE', keys.takers(wish.process), waiters.KEPT_S)
  redis.call('SREM', keys.named(wish.process), wish.waiter)
  redis.call('ZADD', keys.processes(), clock.now_ms, wish.process)
end

-- Join one line, at a place that is a number.
function claims.join(wish, line, place)
  local part = keys.waiters(wish.server, line, wish.process)
  redis.call('ZADD', part, 'NX', place, wish.waiter)
  waiters.place_process(wish.server, line, wish.process)
  local all = {part, keys.line(wish.server, line)}
  for _, key in ipairs(all) do redis.call('EXPIRE', key, waiters.KEPT_S) end
end

-- Take this very event, past all who stand in line, unless its hook is paused.
-- step claims.take_one(event_id, token, principal, process, origin)
--   -> {outcome, body?, event?: events.row, free_in_ms?, paused?}?
function claims.take_one(event_id, token, principal, process, origin)
  local taken = redis.call('GET', keys.taken(token))
  if taken then return redis.call('EXISTS', keys.event(taken)) == 1 and claims.taken(taken) end
  local e = records.fields(keys.event(event_id), 'status', 'server', 'hook')
  if e.status ~= 'queued' or pauses.since(e.server, e.hook) then return end
  local taker = {principal = principal, token = token, process = process, origin = origin}
  waiters.lease(event_id, taker)
  return claims.taken(event_id)
end

-- Give up a taker's place, and the event that it may have been given just now. It may have been
-- woken for what is queued on one of the hooks, so the next in line is woken for that.
-- step claims.leave_line(process, waiter, token, server, hooks: json) -> nothing
function claims.leave_line(process, waiter, token, server, hooks)
  waiters.forget(process, waiter)
  claims.abandon_taken(token)
  for _, hook in ipairs(hooks) do
    local inbox = keys.inbox(server, hook, 'queued')
    if redis.call('EXISTS', inbox) == 1 then waiters.wake_first(server, hook) end
  end
end

-- Count a process's takers on record, and name those that were given an event.
-- step claims.waiting(process) -> {total, named: [text]}
function claims.waiting(process)
  local named = redis.call('SMEMBERS', keys.named(process))
  return {total = redis.call('HLEN', keys.takers(process)), named = named}
end

-- Record that a taker has its event: the lease no longer ends with a process.
-- step claims.handed_over(event_id, token) -> nothing
function claims.handed_over(event_id, token)
  local holder = redis.call('HGET', keys.event(event_id), 'holder') or ''
  redis.call('SREM', keys.held(holder), 'event ' .. event_id .. ' ' .. token)
end

-- Answer for an event on its way to its taker. One that came back meanwhile is leased to it again,
-- unless its hook is paused: its taker may answer it all the same, until another takes it.
-- step claims.hold(event_id, token, process) -> nothing
function claims.hold(event_id, token, process)
  local e = records.fields(keys.event(event_id), 'status', 'lease', 'holder', 'leased_by', 'server',
    'hook')
  local what = 'event ' .. event_id .. ' ' .. token
  if e.lease ~= token then return end
  if e.status == 'leased' and redis.call('SREM', keys.held(e.holder), what) == 1 then
    redis.call('HSET', keys.event(event_id), 'holder', process)
    processes.hold(process, what)
  elseif e.status == 'queued' and not pauses.since(e.server, e.hook) then
    waiters.lease(event_id, {principal = e.leased_by, token = token, process = process})
  end
end

-- Queue an event again whose taker never got it, which counts as no attempt. One that was handed
-- over is held by no process any more, and stays with its taker.
-- step claims.abandon(event_id, token) -> nothing
function claims.abandon(event_id, token)
  local event = keys.event(event_id)
  local e = records.fields(event, 'lease', 'holder', 'attempt', unpack(events.MOVED))
  local what = 'event ' .. event_id .. ' ' .. token
  local is_held = redis.call('SREM', keys.held(e.holder or ''), what) == 1
  if not is_held or e.status ~= 'leased' or e.lease ~= token then return end
  redis.call('ZREM', keys.event_leases(), event_id)
  events.move(event_id, e, 'queued', 'unreceived', {}, 'attempt', e.attempt - 1)
  waiters.wake_first(e.server, e.hook)
end

-- Abandon whatever a token took, and let it take nothing any more.
function claims.abandon_taken(token)
  local taken = redis.call('GET', keys.taken(token))
  if taken and taken ~= '' then claims.abandon(taken, token) end
  redis.call('SET', keys.taken(token), '', 'EX', 60)
end

-- Give a lease back: the event is `queued`, `delayed` or `dead`, as asked, and dead too after its
-- last attempt.
-- step claims.release(claim: {event_id, token, server, taker}, status, delay_ms: number, reason)
--   -> {outcome, detail}
function claims.release(claim, status, delay_ms, reason)
  local event_id, e = claim.event_id, events.claimed(claim)
  if e.released_with == claim.token then return {outcome = 'released', detail = e.released_as} end
  if not e.is_mine or not events.is_takers(e.status) then
    return {outcome = 'lost', detail = e.status}
  end
  events.end_lease(event_id, claim.token, e.holder)
  if status ~= 'dead' and tonumber(e.attempt) >= tonumber(e.max_attempts) then
    status = 'dead'
    if reason == '' then reason = 'every attempt was given back' end
  end
  redis.call('HDEL', keys.event(event_id), 'lease')
  local details = {by = claim.taker, to = status, reason = reason,
    delay_s = status == 'delayed' and delay_ms / 1000 or nil}
  events.move(event_id, e, status, 'released', details, 'reason', reason,
    'released_with', claim.token, 'released_as', status)
  if status == 'queued' then waiters.wake_first(claim.server, e.hook) end
  if status == 'delayed' then
    redis.call('ZADD', keys.event_leases(), clock.now_ms + delay_ms, event_id)
  end
  return {outcome = 'released', detail = status}
end

-- Queue the events whose lease has run out or whose delay is over.
-- step claims.sweep_leases(limit) -> [text]
function claims.sweep_leases(limit)
  local due = clock.due(keys.event_leases(), limit)
  for _, event_id in ipairs(due) do
    redis.call('ZREM', keys.event_leases(), event_id)
    claims.lapse(event_id)
    local e = records.fields(keys.event(event_id), 'status', 'server', 'hook')
    if e.status == 'queued' then waiters.wake_first(e.server, e.hook) end
  end
  return due
end

-- Let the lease or the delay of one event end; one that has used up its attempts is dead.
function claims.lapse(event_id)
  local e = records.fields(keys.event(event_id),
    'attempt', 'max_attempts', 'holder', 'lease', unpack(events.MOVED))
  if e.status == 'delayed' then
    events.move(event_id, e, 'queued', 'due')
  elseif e.status == 'leased' then
    events.end_lease(event_id, e.lease, e.holder)
    local is_spent = tonumber(e.attempt) >= tonumber(e.max_attempts)
    if is_spent then
      events.move(event_id, e, 'dead', 'lapsed', {to = 'dead'},
        'reason', 'every attempt ran out its lease')
    else
      events.move(event_id, e, 'queued', 'lapsed', {to = 'queued'})
    end
  end
end

-- Queue a dead or expired event anew, with all its attempts and all its time before it.
-- step claims.redrive(event_id, token) -> {outcome, status?}
function claims.redrive(event_id, token)
  local event, reply = keys.event(event_id), keys.reply(event_id)
  local e = records.fields(event, 'open_s', 'ttl_s', 'redriven_with', unpack(events.MOVED))
  if not e.status then return {outcome = 'unknown'} end
  if e.redriven_with == token then return {outcome = 'redriven', status = e.status} end
  local is_settled = redis.call('HEXISTS', reply, 'value') == 1
  if is_settled or (e.status ~= 'dead' and e.status ~= 'expired') then
    return {outcome = 'refused', status = e.status}
  end
  redis.call('HDEL', event, 'reason')
  local lives_s = math.ceil(e.open_s + e.ttl_s)
  redis.call('EXPIRE', event, lives_s)
  redis.call('EXPIRE', reply, lives_s)
  redis.call('ZADD', keys.event_deadlines(), clock.now_ms + e.open_s * 1000, event_id)
  events.move(event_id, e, 'queued', 'redriven', {}, 'attempt', 0, 'redriven_with', token)
  waiters.wake_first(e.server, e.hook)
  return {outcome = 'redriven', status = 'queued'}
end

return claims
