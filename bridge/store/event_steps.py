"""The atomic steps of an event's life, in Lua."""

from bridge.store.scripts import Script

_MOVE = """
local function move(id, status)
  local e = redis.call('HMGET', event_key(id), 'server', 'hook', 'status', 'order')
  redis.call('ZREM', inbox_key(e[1], e[2], e[3]), id)
  redis.call('ZADD', inbox_key(e[1], e[2], status), e[4], id)
  redis.call('HSET', event_key(id), 'status', status)
  count(1, 'events', e[1], e[2], status)
  ring('events:' .. e[1])
  ring('event:' .. id)
end
"""
_READ = """
local function read(id)
  return {redis.call('HMGET', event_key(id), 'id', 'server', 'hook', 'status', 'attempt', 'received_at',
      'order', 'media_type', 'summary', 'reason'),
    redis.call('HMGET', reply_key(id), 'status', 'value', 'attempts', 'last_failure')}
end
"""

ACCEPT = Script(
    "id server hook body media_type summary digest idempotency reply_url reply_deadline default_reply "
    "lease_s max_attempts answer_within_s ttl_s window_s",
    _READ
    + """
if idempotency ~= '' then
  local seen = redis.call('HMGET', idempotency_key(idempotency), 'id', 'digest')
  if seen[1] and seen[1] ~= id then
    if seen[2] ~= digest then return {'conflict'} end
    return {'duplicate', unpack(read(seen[1]))}
  end
  redis.call('HSET', idempotency_key(idempotency), 'id', id, 'digest', digest)
  redis.call('EXPIRE', idempotency_key(idempotency), window_s)
end
if redis.call('EXISTS', event_key(id)) == 0 then
  local order = next_order()
  local open_s = tonumber(answer_within_s)
  redis.call('HSET', event_key(id), 'id', id, 'server', server, 'hook', hook, 'status', 'queued',
    'attempt', 0, 'order', order, 'received_at', now, 'body', body, 'media_type', media_type,
    'summary', summary, 'lease_s', lease_s, 'max_attempts', max_attempts, 'ttl_s', ttl_s)
  redis.call('HSET', reply_key(id), 'status', 'none', 'attempts', 0, 'url', reply_url,
    'deadline', reply_deadline, 'default', default_reply)
  redis.call('EXPIRE', event_key(id), math.ceil(open_s + ttl_s))
  redis.call('EXPIRE', reply_key(id), math.ceil(open_s + ttl_s))
  redis.call('ZADD', inbox_key(server, hook, 'queued'), order, id)
  count(1, 'events', server, hook, 'queued')
  redis.call('ZADD', event_deadlines_key(), now + open_s * 1000, id)
  ring('events:' .. server)
end
return {'accepted', unpack(read(id))}
""",
)

TAKE = Script(
    "server hooks wanted token principal process waiter waits",
    _READ
    + """
local taken = redis.call('GET', taken_key(token))
if taken then return {redis.call('HGET', event_key(taken), 'body'), unpack(read(taken))} end
local heads = {}
for _, hook in ipairs(cjson.decode(hooks)) do
  heads[#heads + 1] = {name = hook[1], priority = hook[2], next = 0}
end
local function first(wish)
  local best
  for _, head in ipairs(heads) do
    if wish == '' or wish == head.name then
      local found = redis.call('ZRANGE', inbox_key(server, head.name, 'queued'), head.next, head.next, 'WITHSCORES')
      if found[1] then
        local order = tonumber(found[2])
        if not best or head.priority > best.head.priority
            or (head.priority == best.head.priority and order < best.order) then
          best = {id = found[1], order = order, head = head}
        end
      end
    end
  end
  if best then best.head.next = best.head.next + 1 end
  return best and best.id
end
local line = redis.call('ZRANGE', waiters_key(server), 0, -1)
local mine
for _, entry in ipairs(line) do
  local who = cjson.decode(entry)
  if who[1] == waiter then mine = entry break end
  local seen = redis.call('ZSCORE', processes_key(), who[3])
  if seen and now - seen < 6000 then first(who[2]) else redis.call('ZREM', waiters_key(server), entry) end
end
local id = first(wanted)
if not id then
  if waits == '1' then
    if not mine then
      redis.call('ZADD', waiters_key(server), next_order(), cjson.encode({waiter, wanted, process}))
    end
    redis.call('EXPIRE', waiters_key(server), 600)
  end
  return {}
end
if mine then redis.call('ZREM', waiters_key(server), mine) end
local e = redis.call('HMGET', event_key(id), 'hook', 'lease_s', 'order')
redis.call('ZREM', inbox_key(server, e[1], 'queued'), id)
redis.call('ZADD', inbox_key(server, e[1], 'leased'), e[3], id)
count(1, 'events', server, e[1], 'leased')
redis.call('HINCRBY', event_key(id), 'attempt', 1)
redis.call('HSET', event_key(id), 'status', 'leased', 'lease', token, 'leased_by', principal, 'holder', process)
redis.call('ZADD', event_leases_key(), now + e[2] * 1000, id)
redis.call('SADD', held_key(process), 'event ' .. id .. ' ' .. token)
redis.call('EXPIRE', held_key(process), 3600)
redis.call('SET', taken_key(token), id, 'EX', 60)
return {redis.call('HGET', event_key(id), 'body'), unpack(read(id))}
""",
)

READ = Script(
    "id",
    _READ + "if redis.call('EXISTS', event_key(id)) == 0 then return {} end return read(id)",
)

READ_BODY = Script(
    "id", "return redis.call('HMGET', event_key(id), 'server', 'body', 'media_type')"
)

LIST = Script(
    "server hooks statuses after limit",
    _READ
    + """
local rows = {}
for _, hook in ipairs(cjson.decode(hooks)) do
  for _, status in ipairs(cjson.decode(statuses)) do
    local inbox = inbox_key(server, hook, status)
    local found = redis.call('ZRANGEBYSCORE', inbox, '(' .. after, '+inf', 'LIMIT', 0, limit)
    for _, id in ipairs(found) do
      if redis.call('EXISTS', event_key(id)) == 1 then rows[#rows + 1] = read(id)
      else redis.call('ZREM', inbox, id) end
    end
  end
end
return rows
""",
)

_HOLDS = """
local e = redis.call('HMGET', event_key(id), 'status', 'lease', 'leased_by', 'settled_with', 'holder', 'server')
local is_mine = e[2] == token and e[3] == principal and e[6] == server
local is_open = e[1] == 'leased' or e[1] == 'queued'
local function let_go()
  redis.call('ZREM', event_leases_key(), id)
  redis.call('SREM', held_key(e[5] or ''), 'event ' .. id .. ' ' .. token)
end
"""

ANSWER = Script(
    "id token server principal value",
    _MOVE
    + _HOLDS
    + """
if is_mine and e[4] == token then return {'answered', redis.call('HGET', reply_key(id), 'status')} end
if not is_mine or not is_open then return {'lost', e[1] or 'unknown'} end
let_go()
move(id, 'answered')
redis.call('HSET', event_key(id), 'settled_with', token)
redis.call('ZREM', event_deadlines_key(), id)
local pending = redis.call('HGET', reply_key(id), 'url') ~= ''
redis.call('HSET', reply_key(id), 'value', value, 'status', pending and 'pending' or 'none', 'answered_at', now)
if pending then redis.call('ZADD', due_replies_key(), now + 2000, id) end
return {'answered', pending and 'pending' or 'none'}
""",
)

EXTEND = Script(
    "id token server principal seconds",
    _HOLDS
    + """
if not is_mine or e[1] ~= 'leased' then return {'lost', e[1] or 'unknown'} end
redis.call('ZADD', event_leases_key(), now + seconds * 1000, id)
return {'extended', string.format('%.0f', now + seconds * 1000)}
""",
)

RELEASE = Script(
    "id token server principal status delay_ms reason counted",
    _MOVE
    + _HOLDS
    + """
if not is_mine or not is_open then return {'lost', e[1] or 'unknown'} end
let_go()
redis.call('HDEL', event_key(id), 'lease')
redis.call('HSET', event_key(id), 'reason', reason)
if counted == '0' then redis.call('HINCRBY', event_key(id), 'attempt', -1) end
move(id, status)
if status == 'delayed' then redis.call('ZADD', event_leases_key(), now + delay_ms, id) end
return {'released', status}
""",
)

SWEEP_LEASES = Script(
    "limit",
    _MOVE
    + """
local due = redis.call('ZRANGEBYSCORE', event_leases_key(), '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do
  redis.call('ZREM', event_leases_key(), id)
  local e = redis.call('HMGET', event_key(id), 'status', 'attempt', 'max_attempts', 'holder', 'lease')
  if e[1] == 'delayed' then move(id, 'queued') end
  if e[1] == 'leased' then
    redis.call('SREM', held_key(e[4] or ''), 'event ' .. id .. ' ' .. (e[5] or ''))
    local spent = tonumber(e[2]) >= tonumber(e[3])
    if spent then redis.call('HSET', event_key(id), 'reason', 'every attempt ran out its lease') end
    move(id, spent and 'dead' or 'queued')
  end
end
return due
""",
)

SWEEP_DEADLINES = Script(
    "limit",
    _MOVE
    + """
local due = redis.call('ZRANGEBYSCORE', event_deadlines_key(), '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do
  redis.call('ZREM', event_deadlines_key(), id)
  if redis.call('EXISTS', event_key(id)) == 1 then
    redis.call('ZREM', event_leases_key(), id)
    redis.call('HSET', event_key(id), 'reason', 'nobody answered in time')
    move(id, 'expired')
    local reply = redis.call('HMGET', reply_key(id), 'url', 'default')
    if reply[2] and reply[2] ~= '' then
      redis.call('HSET', reply_key(id), 'value', reply[2])
      if reply[1] ~= '' then
        redis.call('HSET', reply_key(id), 'status', 'pending')
        redis.call('ZADD', due_replies_key(), now, id)
      end
    end
  end
end
return due
""",
)

HANDED_OVER = Script(
    "id token process",
    "redis.call('SREM', held_key(process), 'event ' .. id .. ' ' .. token) return {}",
)

_ABANDON = """
local function abandon(id, token)
  local e = redis.call('HMGET', event_key(id), 'status', 'lease', 'holder')
  redis.call('SREM', held_key(e[3] or ''), 'event ' .. id .. ' ' .. token)
  if e[1] == 'leased' and e[2] == token then
    redis.call('HDEL', event_key(id), 'lease')
    redis.call('HINCRBY', event_key(id), 'attempt', -1)
    redis.call('ZREM', event_leases_key(), id)
    move(id, 'queued')
  end
end
"""

ABANDON = Script("id token", _MOVE + _ABANDON + "abandon(id, token) return {}")

LEAVE_LINE = Script(
    "server wanted process waiter token",
    _MOVE
    + _ABANDON
    + """
redis.call('ZREM', waiters_key(server), cjson.encode({waiter, wanted, process}))
local taken = redis.call('GET', taken_key(token))
if taken then abandon(taken, token) end
ring('events:' .. server)
return {}
""",
)
