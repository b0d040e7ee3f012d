"""The atomic steps of a call's life, in Lua."""

from bridge.store.scripts import Script

FIELDS = (
    "server",
    "principal",
    "workflow",
    "status",
    "attempt",
    "order",
    "created_at",
    "updated_at",
    "finished_at",
    "sent_at",
    "failure",
    "arguments",
    "progress",
    "message",
    "blame",
)
"""What a read gives of a call after its age in milliseconds, in this order."""

_READ = f"""
local function read(id)
  local c = redis.call('HMGET', call_key(id), {", ".join(repr(name) for name in FIELDS)})
  local ttl_s = redis.call('HGET', call_key(id), 'ttl_s')
  if c[9] and now > c[9] + ttl_s * 1000 then c[4] = 'expired' end
  return {{id, string.format('%.0f', (c[9] or now) - (c[7] or now)), c}}
end
"""

_HOLD = """
local c = fields(call_key(id), 'status', 'lease', 'holder', 'attempt', 'max_attempts', 'idempotent',
  'sent_at', 'ttl_s', 'server', 'workflow', 'created_at', 'attach', 'attach_ms', 'settled_with')
local is_mine = c.status == 'running' and c.lease == token
local function let_go()
  redis.call('HDEL', call_key(id), 'lease', 'holder')
  redis.call('SREM', held_key(c.holder), 'call ' .. id .. ' ' .. token)
end
local function finish(status, failure, blame)
  redis.call('HSET', call_key(id), 'status', status, 'failure', failure, 'blame', blame or '', 'finished_at', now, 'updated_at', now,
    'settled_with', token)
  redis.call('EXPIRE', call_key(id), 2 * c.ttl_s)
  redis.call('ZREM', due_calls_key(), id)
  if c.attach ~= '' and redis.call('GET', attach_key(c.attach)) == id then
    redis.call('PEXPIRE', attach_key(c.attach), c.attach_ms)
  end
  count(1, 'calls', c.server, c.workflow, status)
  count(now - c.created_at, 'call_ms', c.server, c.workflow)
  ring('call:' .. id)
end
local function requeue(delay_ms)
  redis.call('HSET', call_key(id), 'status', 'queued', 'updated_at', now)
  redis.call('ZADD', due_calls_key(), now + delay_ms, id)
  ring('call:' .. id)
end
"""

_JOIN = """
local function earlier_call()
  local earlier = attach ~= '' and redis.call('GET', attach_key(attach))
  if not earlier or earlier == id then return end
  local e = redis.call('HMGET', call_key(earlier), 'status', 'finished_at', 'handed_over', 'tool_use')
  if not e[1] then return end
  if not e[2] then return earlier end
  local is_fresh = now - e[2] < tonumber(attach_ms)
  local is_same_use = tool_use ~= '' and e[4] == tool_use
  if is_fresh and (not e[3] or is_same_use) then return earlier end
end
"""

CREATE = Script(
    "id server principal workflow arguments max_attempts idempotent ttl_s attach attach_ms tool_use promised",
    _READ
    + _JOIN
    + """
local earlier = redis.call('EXISTS', call_key(id)) == 0 and earlier_call()
if earlier then return {'attached', read(earlier)} end
if redis.call('EXISTS', call_key(id)) == 0 then
  local order = next_order()
  redis.call('HSET', call_key(id), 'server', server, 'principal', principal, 'workflow', workflow, 'status', 'queued',
    'attempt', 0, 'order', order, 'created_at', now, 'updated_at', now, 'waited_at', now, 'arguments', arguments,
    'max_attempts', max_attempts, 'idempotent', idempotent, 'ttl_s', ttl_s, 'attach', attach,
    'attach_ms', attach_ms, 'tool_use', tool_use)
  if promised == '1' then redis.call('HSET', call_key(id), 'promised', 1) end
  redis.call('EXPIRE', call_key(id), 2 * ttl_s)
  if attach ~= '' then redis.call('SET', attach_key(attach), id, 'EX', 2 * ttl_s) end
  local index = calls_key(server, principal)
  redis.call('ZADD', index, order, id)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', order - 2000000 * ttl_s)
  redis.call('EXPIRE', index, 2 * ttl_s)
  redis.call('ZADD', due_calls_key(), now + 2000, id)
end
return {'created', read(id)}
""",
)

LEASE = Script(
    "id token process unwaited_ms",
    _READ
    + _HOLD
    + """
local w = redis.call('HMGET', call_key(id), 'waited_at', 'promised')
if c.status == 'queued' and not c.sent_at and not w[2] and now - w[1] > tonumber(unwaited_ms) then
  finish('cancelled', 'nobody waited for it any more, so it was never sent')
  return {}
elseif c.status == 'queued' then
  redis.call('HSET', call_key(id), 'status', 'running', 'lease', token, 'holder', process, 'updated_at', now)
  redis.call('HSETNX', call_key(id), 'started_at', now)
  redis.call('HINCRBY', call_key(id), 'attempt', 1)
  redis.call('EXPIRE', call_key(id), 2 * c.ttl_s)
  redis.call('ZREM', due_calls_key(), id)
  hold(process, 'call ' .. id .. ' ' .. token)
elseif c.status ~= 'running' or c.lease ~= token then
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
    "id token status result failure blame",
    _HOLD
    + """
if c.settled_with == token then return {'finished', c.status} end
if not is_mine then return {'lost', c.status or 'unknown'} end
let_go()
redis.call('SET', result_key(id), result, 'EX', c.ttl_s)
finish(status, failure, blame)
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
if c.status ~= 'queued' and c.status ~= 'running' then return {'ended'} end
if c.holder then let_go() end
finish('cancelled', failure)
redis.call('HSET', call_key(id), 'handed_over', now)
return {'cancelled'}
""",
)

ABANDON = Script(
    "id token failure",
    _HOLD
    + """
if not is_mine then return {} end
let_go()
if not c.sent_at then
  redis.call('HINCRBY', call_key(id), 'attempt', -1)
  requeue(0)
elseif c.idempotent == '1' and tonumber(c.attempt) < tonumber(c.max_attempts) then
  requeue(0)
else
  finish('failed', failure, 'bridge')
end
return {}
""",
)

READ = Script(
    "id wants_result waits",
    _READ
    + """
if redis.call('EXISTS', call_key(id)) == 0 then return {} end
if waits == '1' then redis.call('HSET', call_key(id), 'waited_at', now) end
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
  local found = row[3][4]
  if not found then redis.call('ZREM', index, id)
  elseif status == '' or found == status then
    rows[#rows + 1] = row
    if #rows >= tonumber(limit) then break end
  end
end
return rows
""",
)

HANDED_OVER = Script(
    "id",
    "if redis.call('HGET', call_key(id), 'finished_at') then redis.call('HSET', call_key(id), 'handed_over', now) end return {}",
)

PROMISE = Script(
    "id",
    "if redis.call('EXISTS', call_key(id)) == 1 then redis.call('HSET', call_key(id), 'promised', 1) end return {}",
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
