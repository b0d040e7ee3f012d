"""The atomic steps that bring an event to a taker, one after the other in line, in Lua."""

from bridge.store.event_steps import MOVE, READING
from bridge.store.question_steps import ASKING
from bridge.store.scripts import Script
from bridge.store.waiter_steps import LEASE, OFFER, SETTLE

_TOLD = """
local function told(id) return {'taken', redis.call('HGET', event_key(id), 'body'), unpack(read(id))} end
"""

TAKE = Script(
    "server hooks lines token principal process waiter wait_ms most",
    READING
    + ASKING
    + OFFER
    + SETTLE
    + _TOLD
    + """
local function given()
  local id = redis.call('GET', taken_key(token))
  if not id or id == '' then return id and {} end
  local e = redis.call('HMGET', event_key(id), 'status', 'lease')
  if e[1] ~= 'leased' or e[2] ~= token then return end
  forget_taker(process, waiter)
  redis.call('EXPIRE', taken_key(token), 60)
  return told(id)
end
local function too_many()
  local counted, free_at = 0, nil
  local line = 'principal-' .. principal
  local parts = redis.call('ZRANGE', line_key(server, line), 0, -1, 'WITHSCORES')
  for i = 1, #parts, 2 do
    if lives(parts[i]) then
      counted, free_at = counted + redis.call('ZCARD', waiters_key(server, line, parts[i])), free_at or parts[i + 1]
    else
      drop_process(server, line, parts[i])
    end
  end
  if counted >= tonumber(most) then return {'too many', string.format('%.0f', math.max(free_at - now, 0))} end
end
local function stand_in(line, place)
  redis.call('ZADD', waiters_key(server, line, process), 'NX', place, waiter)
  keep_first(server, line, process)
  redis.call('EXPIRE', waiters_key(server, line, process), 600)
  redis.call('EXPIRE', line_key(server, line), 600)
end
local answer = given()
if answer then return answer end
settle()
answer = given()
if answer then return answer end
local asked = cjson.decode(lines)
local id = best_for(asked)
if id then
  forget_taker(process, waiter)
  lease(id, {principal = principal, token = token, process = process})
  return told(id)
end
if wait_ms == '0' then return {} end
local refusal = redis.call('HEXISTS', takers_key(process), waiter) == 0 and too_many()
if refusal then return refusal end
local order = next_order()
for _, line in ipairs(asked) do stand_in(line, order) end
asked[#asked + 1] = 'principal-' .. principal
stand_in('principal-' .. principal, string.format('%.0f', now + wait_ms))
redis.call('HSETNX', takers_key(process), waiter,
  cjson.encode({server = server, lines = asked, principal = principal, token = token}))
redis.call('EXPIRE', takers_key(process), 600)
redis.call('SREM', named_key(process), waiter)
redis.call('ZADD', processes_key(), now, process)
return {}
""",
)

TAKE_ONE = Script(
    "id token principal process",
    READING
    + ASKING
    + LEASE
    + _TOLD
    + """
local taken = redis.call('GET', taken_key(token))
if taken then return redis.call('EXISTS', event_key(taken)) == 1 and told(taken) or {} end
if redis.call('HGET', event_key(id), 'status') ~= 'queued' then return {} end
lease(id, {principal = principal, token = token, process = process})
return told(id)
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

ABANDONING = (
    MOVE
    + OFFER
    + """
local function abandon(id, token)
  local e = redis.call('HMGET', event_key(id), 'status', 'lease', 'holder', 'server', 'hook')
  local is_held = redis.call('SREM', held_key(e[3] or ''), 'event ' .. id .. ' ' .. token) == 1
  if is_held and e[1] == 'leased' and e[2] == token then
    redis.call('HINCRBY', event_key(id), 'attempt', -1)
    redis.call('ZREM', event_leases_key(), id)
    move(id, 'queued')
    note(event_key(id), 'unreceived')
    offer(e[4], e[5])
  end
end
local function abandon_taken(token)
  local taken = redis.call('GET', taken_key(token))
  if taken and taken ~= '' then abandon(taken, token) end
  redis.call('SET', taken_key(token), '', 'EX', 60)
end
"""
)
"""`abandon(id, token)` gives an event to the next in line; `abandon_taken` whatever a token took."""

ABANDON = Script("id token", ABANDONING + "abandon(id, token) return {}")

LEAVE_LINE = Script(
    "process waiter token",
    ABANDONING + "forget_taker(process, waiter) abandon_taken(token) return {}",
)

MATCH = Script("server hooks", ASKING + OFFER + SETTLE + "settle() return {}")

WAITING = Script(
    "process",
    "return {redis.call('HLEN', takers_key(process)), redis.call('SMEMBERS', named_key(process))}",
)
