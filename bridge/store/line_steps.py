"""The atomic steps that bring an event to a taker, one after the other in line, in Lua."""

from bridge.store.event_steps import MOVE, READING
from bridge.store.question_steps import ASKING
from bridge.store.scripts import Script

_LEAVE = """
local function leave_line(entry)
  redis.call('ZREM', looks_key(server), entry)
  return redis.call('ZREM', waiters_key(server), entry) == 1
end
"""

_TAKING = """
local function told(id) return {redis.call('HGET', event_key(id), 'body'), unpack(read(id))} end
local function lease(id)
  local e = redis.call('HMGET', event_key(id), 'server', 'hook', 'lease_s', 'order', 'call')
  redis.call('ZREM', inbox_key(e[1], e[2], 'queued'), id)
  redis.call('ZADD', inbox_key(e[1], e[2], 'leased'), e[4], id)
  count(1, 'events', e[1], e[2], 'leased')
  local attempt = redis.call('HINCRBY', event_key(id), 'attempt', 1)
  note(event_key(id), 'taken', {by = principal, attempt = attempt})
  redis.call('HSET', event_key(id), 'status', 'leased', 'lease', token, 'leased_by', principal, 'holder', process)
  redis.call('ZADD', event_leases_key(), now + e[3] * 1000, id)
  hold(process, 'event ' .. id .. ' ' .. token)
  redis.call('SET', taken_key(token), id, 'EX', 60)
  asks(id, e[5], true)
  ring('left:' .. e[1])
  return told(id)
end
"""

TAKE = Script(
    "server hooks wanted token principal process waiter waits",
    READING
    + _LEAVE
    + ASKING
    + _TAKING
    + """
local taken = redis.call('GET', taken_key(token))
if taken then return redis.call('EXISTS', event_key(taken)) == 1 and told(taken) or {} end
local heads = {}
for _, hook in ipairs(cjson.decode(hooks)) do
  heads[#heads + 1] = {name = hook[1], priority = hook[2], next = 0}
end
local function oldest(head)
  local inbox = inbox_key(server, head.name, 'queued')
  while true do
    local found = redis.call('ZRANGE', inbox, head.next, head.next, 'WITHSCORES')
    if not found[1] or redis.call('EXISTS', event_key(found[1])) == 1 then return found[1], tonumber(found[2]) end
    redis.call('ZREM', inbox, found[1])
  end
end
local function first(wish)
  local best
  for _, head in ipairs(heads) do
    if wish == '' or (',' .. wish .. ','):find(',' .. head.name .. ',', 1, true) then
      local id, order = oldest(head)
      if id and (not best or head.priority > best.head.priority
          or (head.priority == best.head.priority and order < best.order)) then
        best = {id = id, order = order, head = head}
      end
    end
  end
  if best then best.head.next = best.head.next + 1 end
  return best and best.id
end
local mine
for _, entry in ipairs(redis.call('ZRANGE', waiters_key(server), 0, -1)) do
  local who = cjson.decode(entry)
  if who[1] == waiter then mine = entry break end
  local beat, look = redis.call('ZSCORE', processes_key(), who[3]), redis.call('ZSCORE', looks_key(server), entry)
  if beat and look and now - beat < 6000 and now - look < 15000 then first(who[2])
  else leave_line(entry) end
end
local id = first(wanted)
if not id then
  if waits == '1' then
    if not mine then
      mine = cjson.encode({waiter, wanted, process})
      redis.call('ZADD', waiters_key(server), next_order(), mine)
    end
    redis.call('ZADD', looks_key(server), now, mine)
    redis.call('EXPIRE', waiters_key(server), 600)
    redis.call('EXPIRE', looks_key(server), 600)
  end
  return {}
end
if mine then leave_line(mine) end
return lease(id)
""",
)

TAKE_ONE = Script(
    "id token principal process",
    READING
    + ASKING
    + _TAKING
    + """
local taken = redis.call('GET', taken_key(token))
if taken then return redis.call('EXISTS', event_key(taken)) == 1 and told(taken) or {} end
if redis.call('HGET', event_key(id), 'status') ~= 'queued' then return {} end
return lease(id)
""",
)

HANDED_OVER = Script(
    "id token",
    "local holder = redis.call('HGET', event_key(id), 'holder') or '' "
    "redis.call('SREM', held_key(holder), 'event ' .. id .. ' ' .. token) return {}",
)

HOLD = Script(
    "id token process",
    """
local e = redis.call('HMGET', event_key(id), 'status', 'lease', 'holder', 'server', 'hook', 'order', 'lease_s', 'leased_by')
local member = 'event ' .. id .. ' ' .. token
if e[2] ~= token then return {'lost'} end
if e[1] == 'leased' and redis.call('SREM', held_key(e[3]), member) == 1 then
  redis.call('HSET', event_key(id), 'holder', process)
  hold(process, member)
elseif e[1] == 'queued' then
  redis.call('ZREM', inbox_key(e[4], e[5], 'queued'), id)
  redis.call('ZADD', inbox_key(e[4], e[5], 'leased'), e[6], id)
  count(1, 'events', e[4], e[5], 'leased')
  local attempt = redis.call('HINCRBY', event_key(id), 'attempt', 1)
  note(event_key(id), 'taken', {by = e[8], attempt = attempt})
  redis.call('HSET', event_key(id), 'status', 'leased', 'holder', process)
  redis.call('ZADD', event_leases_key(), now + e[7] * 1000, id)
  hold(process, member)
  ring('left:' .. e[4])
end
return {'held'}
""",
)

_ABANDON = """
local function abandon(id, token)
  local e = redis.call('HMGET', event_key(id), 'status', 'lease', 'holder')
  redis.call('SREM', held_key(e[3] or ''), 'event ' .. id .. ' ' .. token)
  if e[1] == 'leased' and e[2] == token then
    redis.call('HINCRBY', event_key(id), 'attempt', -1)
    redis.call('ZREM', event_leases_key(), id)
    move(id, 'queued')
    note(event_key(id), 'unreceived')
  end
end
"""

ABANDON = Script("id token", MOVE + _ABANDON + "abandon(id, token) return {}")

LEAVE_LINE = Script(
    "server wanted process waiter token",
    MOVE
    + _ABANDON
    + _LEAVE
    + """
if leave_line(cjson.encode({waiter, wanted, process})) then ring('events:' .. server) end
local taken = redis.call('GET', taken_key(token))
if taken and taken ~= '' then abandon(taken, token) end
redis.call('SET', taken_key(token), '', 'EX', 60)
return {}
""",
)
