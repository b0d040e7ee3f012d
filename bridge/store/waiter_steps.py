"""Who waits for an event, and which of them an event is for, in Lua.

A taker that waits stands in the line `hook-NAME` of each hook that it wants, or in `any` for all of
them; and in `principal-NAME`, which is only counted. A line lists processes by the first of
their takers, and each process has a part of the line: so whatever the length of a line, a step
looks at its beginning alone, and a dead process leaves it at once, with all its takers.

The step that queues an event leases it to the first who wants it, wakes that one, and nobody else.
"""

LEASE = """
local function lease(id, taker)
  local e = redis.call('HMGET', event_key(id), 'server', 'hook', 'lease_s', 'order', 'call')
  redis.call('ZREM', inbox_key(e[1], e[2], 'queued'), id)
  redis.call('ZADD', inbox_key(e[1], e[2], 'leased'), e[4], id)
  count(1, 'events', e[1], e[2], 'leased')
  local attempt = redis.call('HINCRBY', event_key(id), 'attempt', 1)
  note(event_key(id), 'taken', {by = taker.principal, attempt = attempt})
  redis.call('HSET', event_key(id), 'status', 'leased', 'lease', taker.token, 'leased_by', taker.principal,
    'holder', taker.process)
  redis.call('ZADD', event_leases_key(), now + e[3] * 1000, id)
  hold(taker.process, 'event ' .. id .. ' ' .. taker.token)
  redis.call('SET', taken_key(taker.token), id, 'EX', 60)
  asks(id, e[5], true)
  ring('left:' .. e[1])
end
"""
"""`lease(id, taker)` gives a queued event to `{principal, token, process}`; wants ASKING before it."""

LINES = """
local function lives(process)
  local beat = redis.call('ZSCORE', processes_key(), process)
  return beat and now - beat < 6000
end
local function keep_first(server, line, process)
  local first = redis.call('ZRANGE', waiters_key(server, line, process), 0, 0, 'WITHSCORES')
  if first[1] then redis.call('ZADD', line_key(server, line), first[2], process)
  else redis.call('ZREM', line_key(server, line), process) end
end
local function drop_process(server, line, process)
  redis.call('ZREM', line_key(server, line), process)
  redis.call('UNLINK', waiters_key(server, line, process), takers_key(process))
end
local function leave_lines(process, waiter)
  local taker = redis.call('HGET', takers_key(process), waiter)
  if not taker then return end
  taker = cjson.decode(taker)
  for _, line in ipairs(taker.lines) do
    redis.call('ZREM', waiters_key(taker.server, line, process), waiter)
    keep_first(taker.server, line, process)
  end
  return taker
end
local function forget_taker(process, waiter)
  leave_lines(process, waiter)
  redis.call('HDEL', takers_key(process), waiter)
  redis.call('SREM', named_key(process), waiter)
end
"""
"""`leave_lines(process, waiter)` gives what is known of a taker; `forget_taker` forgets it too."""

OFFER = (
    LEASE
    + LINES
    + """
local function first_in(server, line)
  while true do
    local first = redis.call('ZRANGE', line_key(server, line), 0, 0, 'WITHSCORES')
    local process = first[1]
    if not process then return end
    if lives(process) then
      local waiter = redis.call('ZRANGE', waiters_key(server, line, process), 0, 0)[1]
      if waiter and redis.call('HEXISTS', takers_key(process), waiter) == 1 then
        return {order = tonumber(first[2]), process = process, waiter = waiter}
      end
      if waiter then redis.call('ZREM', waiters_key(server, line, process), waiter) end
      keep_first(server, line, process)
    else
      drop_process(server, line, process)
    end
  end
end
local function first_for(server, hook)
  local one, any = first_in(server, 'hook-' .. hook), first_in(server, 'any')
  return one and (not any or one.order < any.order) and one or any
end
local function oldest(server, hook)
  local inbox = inbox_key(server, hook, 'queued')
  while true do
    local found = redis.call('ZRANGE', inbox, 0, 0, 'WITHSCORES')
    if not found[1] or redis.call('EXISTS', event_key(found[1])) == 1 then return found[1], tonumber(found[2]) end
    redis.call('ZREM', inbox, found[1])
  end
end
local function name_taker(first, id)
  local taker = leave_lines(first.process, first.waiter)
  taker.process = first.process
  lease(id, taker)
  redis.call('EXPIRE', taken_key(taker.token), 600)
  redis.call('SADD', named_key(first.process), first.waiter)
  redis.call('EXPIRE', named_key(first.process), 600)
  ring('taker:' .. first.waiter)
end
local function offer(server, hook)
  local first = first_for(server, hook)
  local id = first and oldest(server, hook)
  if id then name_taker(first, id) end
end
"""
)
"""`offer(server, hook)` after one event was queued there: it goes to the first in line, if anybody is."""

SETTLE = """
local heads = cjson.decode(hooks)
local function best_for(lines)
  local wanted, best = {}, nil
  for _, line in ipairs(lines) do wanted[line] = true end
  for _, hook in ipairs(heads) do
    if wanted.any or wanted['hook-' .. hook[1]] then
      local id, order = oldest(server, hook[1])
      if id and (not best or hook[2] > best.priority or (hook[2] == best.priority and order < best.order)) then
        best = {id = id, order = order, priority = hook[2]}
      end
    end
  end
  return best and best.id
end
local function settle()
  for _ = 1, 200 do
    local first
    for _, hook in ipairs(heads) do
      local found = oldest(server, hook[1]) and first_for(server, hook[1])
      if found and (not first or found.order < first.order) then first = found end
    end
    local id = first and best_for(cjson.decode(redis.call('HGET', takers_key(first.process), first.waiter)).lines)
    if not id then return end
    name_taker(first, id)
  end
end
"""
"""`settle()` gives events that are queued although somebody waits for them: an older bridge queued
them, or a process was thought dead. `best_for(lines)` is the oldest event of the highest priority."""
