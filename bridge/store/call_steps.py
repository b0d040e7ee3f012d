"""The atomic steps of a call's life, in Lua."""

from bridge.store.scripts import Script

_READ = """
local function read(id)
  local c = redis.call('HMGET', call_key(id), 'server', 'principal', 'workflow', 'status', 'attempt', 'created_at',
    'order', 'sent_at', 'failure', 'finished_at', 'ttl_s', 'arguments', 'started_at', 'progress', 'message')
  if c[10] and now > c[10] + c[11] * 1000 then c[4] = 'expired' end
  local age = string.format('%.0f', (c[10] or now) - (c[6] or now))
  return {id, c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8] or '', c[9] or '', age, c[12], c[14] or '', c[15] or ''}
end
"""

_HOLD = """
local c = redis.call('HMGET', call_key(id), 'status', 'lease', 'holder', 'attempt', 'max_attempts', 'idempotent', 'sent_at',
  'ttl_s', 'server', 'workflow', 'created_at')
local is_mine = c[1] == 'running' and c[2] == token
local function let_go()
  redis.call('HDEL', call_key(id), 'lease', 'holder')
  redis.call('SREM', held_key(c[3]), 'call ' .. id .. ' ' .. token)
end
local function finish(status, failure)
  redis.call('HSET', call_key(id), 'status', status, 'failure', failure, 'finished_at', now)
  redis.call('EXPIRE', call_key(id), 2 * c[8])
  redis.call('ZREM', due_calls_key(), id)
  count(1, 'calls', c[9], c[10], status)
  count(now - c[11], 'call_ms', c[9], c[10])
  ring('call:' .. id)
end
local function requeue(delay_ms)
  redis.call('HSET', call_key(id), 'status', 'queued')
  redis.call('ZADD', due_calls_key(), now + delay_ms, id)
  ring('call:' .. id)
end
"""

CREATE = Script(
    "id server principal workflow arguments max_attempts idempotent ttl_s",
    _READ
    + """
if redis.call('EXISTS', call_key(id)) == 0 then
  local order = next_order()
  redis.call('HSET', call_key(id), 'server', server, 'principal', principal, 'workflow', workflow, 'status', 'queued',
    'attempt', 0, 'order', order, 'created_at', now, 'arguments', arguments, 'max_attempts', max_attempts,
    'idempotent', idempotent, 'ttl_s', ttl_s)
  redis.call('EXPIRE', call_key(id), 2 * ttl_s)
  local index = calls_key(server, principal)
  redis.call('ZADD', index, order, id)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', order - 2000000 * ttl_s)
  redis.call('EXPIRE', index, 2 * ttl_s)
  redis.call('ZADD', due_calls_key(), now + 2000, id)
end
return read(id)
""",
)

LEASE = Script(
    "id token process",
    _READ
    + """
local c = redis.call('HMGET', call_key(id), 'status', 'lease', 'ttl_s')
if c[1] == 'queued' then
  redis.call('HSET', call_key(id), 'status', 'running', 'lease', token, 'holder', process)
  redis.call('HSETNX', call_key(id), 'started_at', now)
  redis.call('HINCRBY', call_key(id), 'attempt', 1)
  redis.call('EXPIRE', call_key(id), 2 * c[3])
  redis.call('ZREM', due_calls_key(), id)
  redis.call('SADD', held_key(process), 'call ' .. id .. ' ' .. token)
  redis.call('EXPIRE', held_key(process), 3600)
elseif c[1] ~= 'running' or c[2] ~= token then
  return {}
end
return {string.format('%.0f', now - redis.call('HGET', call_key(id), 'started_at')), read(id)}
""",
)

SENT = Script(
    "id token",
    _HOLD
    + "if is_mine then redis.call('HSETNX', call_key(id), 'sent_at', now) end return {is_mine and 'held' or 'lost'}",
)

FINISH = Script(
    "id token status result failure",
    _HOLD
    + """
if not is_mine then return {'lost', c[1] or 'unknown'} end
let_go()
redis.call('SET', result_key(id), result, 'EX', c[8])
finish(status, failure)
return {'finished', status}
""",
)

PARK = Script(
    "id token delay_ms ran failure",
    _HOLD
    + """
if not is_mine then return {'lost'} end
let_go()
if ran == '0' then
  redis.call('HDEL', call_key(id), 'sent_at')
  redis.call('HINCRBY', call_key(id), 'attempt', -1)
end
redis.call('HSET', call_key(id), 'failure', failure)
requeue(delay_ms)
return {'parked'}
""",
)

CANCEL = Script(
    "id failure",
    """
local token = redis.call('HGET', call_key(id), 'lease') or ''
"""
    + _HOLD
    + """
if c[1] ~= 'queued' and c[1] ~= 'running' then return {'ended'} end
if c[3] then let_go() end
finish('cancelled', failure)
return {'cancelled'}
""",
)

ABANDON = Script(
    "id token failure",
    _HOLD
    + """
if not is_mine then return {} end
let_go()
if not c[7] then
  redis.call('HINCRBY', call_key(id), 'attempt', -1)
  requeue(0)
elseif c[6] == '1' and tonumber(c[4]) < tonumber(c[5]) then
  requeue(0)
else
  finish('failed', failure)
end
return {}
""",
)

READ = Script(
    "id wants_result",
    _READ
    + """
if redis.call('EXISTS', call_key(id)) == 0 then return {} end
local result = wants_result == '1' and redis.call('GET', result_key(id))
return {read(id), result or ''}
""",
)

LIST = Script(
    "server principal status after limit",
    _READ
    + """
local rows, index = {}, calls_key(server, principal)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '(' .. after, '+inf', 'LIMIT', 0, 2000)) do
  local row = read(id)
  if not row[4] then redis.call('ZREM', index, id)
  elseif status == '' or row[5] == status then
    rows[#rows + 1] = row
    if #rows >= tonumber(limit) then break end
  end
end
return rows
""",
)

SWEEP = Script(
    "limit again_ms",
    """
local due = redis.call('ZRANGEBYSCORE', due_calls_key(), '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do
  if redis.call('HGET', call_key(id), 'status') == 'queued' then
    redis.call('ZADD', due_calls_key(), now + again_ms, id)
  else
    redis.call('ZREM', due_calls_key(), id)
  end
end
return due
""",
)
