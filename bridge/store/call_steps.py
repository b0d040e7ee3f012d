"""The atomic steps of a call's life, in Lua."""

from bridge.store.place_steps import PLACES
from bridge.store.question_steps import OPEN_QUESTIONS
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
    "awaited_by",
    "execution",
    "trace",
    "shared_task",
)
"""What a read gives of a call after its age in milliseconds, in this order."""

READING = f"""
local function read(id)
  local c = redis.call('HMGET', call_key(id), {", ".join(repr(name) for name in FIELDS)})
  local ttl_s = redis.call('HGET', call_key(id), 'ttl_s')
  if c[9] and now > c[9] + ttl_s * 1000 then c[4] = 'expired' end
  return {{id, string.format('%.0f', (c[9] or now) - (c[7] or now)), c}}
end
"""

HOLDING = (
    PLACES
    + """
local c = fields(call_key(id), 'status', 'lease', 'holder', 'attempt', 'max_attempts', 'idempotent',
  'sent_at', 'ttl_s', 'server', 'workflow', 'created_at', 'attach', 'attach_ms', 'settled_with', 'execution',
  'order', 'concurrency', 'attach_use', 'principal')
local is_mine = c.status == 'running' and c.lease == token
local function let_go()
  redis.call('HDEL', call_key(id), 'lease', 'holder')
  redis.call('SREM', held_key(c.holder), 'call ' .. id .. ' ' .. token)
end
local function slots() return slots_key(c.server, c.workflow) end
local function turns() return turns_key(c.server, c.workflow) end
local function admit()
  redis.call('ZREMRANGEBYSCORE', slots(), '-inf', now)
  while redis.call('ZCARD', slots()) < tonumber(c.concurrency) do
    local first = redis.call('ZPOPMIN', turns())[1]
    if not first then return end
    if first == id then redis.call('ZADD', slots(), now + 30000, id)
    elseif redis.call('HGET', call_key(first), 'status') == 'queued' then
      redis.call('ZADD', slots(), now + 30000, first)
      redis.call('ZADD', due_calls_key(), now, first)
      ring('due_calls')
    end
  end
end
local function make_room()
  if redis.call('ZREM', slots(), id) + redis.call('ZREM', turns(), id) > 0 then admit() end
  leave_place(id)
end
local function joinable_for(ms)
  for _, digest in ipairs({c.attach or '', c.attach_use or ''}) do
    if digest ~= '' and redis.call('GET', attach_key(digest)) == id then redis.call('PEXPIRE', attach_key(digest), ms) end
  end
end
local function finish(status, failure, blame)
  redis.call('HSET', call_key(id), 'status', status, 'failure', failure, 'blame', blame or '', 'finished_at', now,
    'updated_at', now)
  redis.call('EXPIRE', call_key(id), 2 * c.ttl_s)
  redis.call('ZREM', due_calls_key(), id)
  joinable_for(c.attach_ms)
  make_room()
  count(1, 'calls', c.server, c.workflow, status)
  count(now - c.created_at, 'call_ms', c.server, c.workflow)
  note(call_key(id), status, {reason = failure})
  ring('call:' .. id)
end
local function requeue(delay_ms)
  redis.call('HSET', call_key(id), 'status', 'queued', 'updated_at', now)
  redis.call('ZADD', due_calls_key(), now + delay_ms, id)
  make_room()
  ring('call:' .. id)
end
"""
)

_JOIN = """
local function joinable(digest, even_received)
  local earlier = digest ~= '' and redis.call('GET', attach_key(digest))
  if not earlier or earlier == id then return end
  local e = redis.call('HMGET', call_key(earlier), 'status', 'finished_at', 'handed_over')
  if not e[1] then return end
  if not e[2] then return earlier end
  local is_fresh = now - e[2] < tonumber(attach_ms)
  if is_fresh and (not e[3] or even_received) then return earlier end
end
local function earlier_call() return joinable(attach_use, true) or joinable(attach, false) end
"""

CREATE = Script(
    "id server principal workflow arguments max_attempts idempotent ttl_s attach attach_use attach_ms promised secret "
    "concurrency rate_count rate_ms timeout_ms trace",
    READING
    + _JOIN
    + """
local earlier = redis.call('EXISTS', call_key(id)) == 0 and earlier_call()
if earlier then
  if promised == '1' then redis.call('HSET', call_key(earlier), 'promised', 1, 'shared_task', 1) end
  if attach_use ~= '' then redis.call('SET', attach_key(attach_use), earlier, 'EX', 2 * ttl_s) end
  if redis.call('HGET', call_key(earlier), 'joined_by') ~= id then
    redis.call('HSET', call_key(earlier), 'joined_by', id)
    note(call_key(earlier), 'joined')
  end
  return {'attached', read(earlier)}
end
if redis.call('EXISTS', call_key(id)) == 0 then
  local order = next_order()
  redis.call('HSET', call_key(id), 'server', server, 'principal', principal, 'workflow', workflow, 'status', 'queued',
    'attempt', 0, 'order', order, 'created_at', now, 'updated_at', now, 'waited_at', now, 'arguments', arguments,
    'max_attempts', max_attempts, 'idempotent', idempotent, 'ttl_s', ttl_s, 'attach', attach,
    'attach_ms', attach_ms, 'attach_use', attach_use, 'secret', secret, 'concurrency', concurrency,
    'rate_count', rate_count, 'rate_ms', rate_ms, 'timeout_ms', timeout_ms, 'trace', trace)
  if promised == '1' then redis.call('HSET', call_key(id), 'promised', 1) end
  redis.call('EXPIRE', call_key(id), 2 * ttl_s)
  if attach ~= '' then redis.call('SET', attach_key(attach), id, 'EX', 2 * ttl_s) end
  if attach_use ~= '' then redis.call('SET', attach_key(attach_use), id, 'EX', 2 * ttl_s) end
  local index = calls_key(server, principal)
  redis.call('ZADD', index, order, id)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', order - 2000000 * ttl_s)
  redis.call('EXPIRE', index, 2 * ttl_s)
  redis.call('ZADD', callers_key(), now, cjson.encode({server, principal}))
  redis.call('ZREMRANGEBYSCORE', callers_key(), '-inf', now - 2000 * ttl_s)
  redis.call('ZADD', due_calls_key(), now + 2000, id)
end
return {'created', read(id)}
""",
)

_REPORTED = """
local kept = redis.call('HGET', call_key(id), 'secret')
if not kept or kept == '' or kept ~= secret then return {'unknown', ''} end
"""

PROVES = Script("id secret", _REPORTED + "return {'proven', ''}")

REPORT = Script(
    "id secret progress message",
    _REPORTED
    + """
local status = redis.call('HGET', call_key(id), 'status')
if status ~= 'running' and status ~= 'queued' then return {'ended', status} end
local told = redis.call('HMGET', call_key(id), 'progress', 'message')
if told[1] ~= progress or told[2] ~= message then
  note(call_key(id), 'progress', {progress = tonumber(progress), message = message})
end
redis.call('HSET', call_key(id), 'progress', progress, 'message', message, 'updated_at', now)
ring('call:' .. id)
return {'taken', status}
""",
)

CONCLUDE = Script(
    "id secret status result failure",
    _REPORTED
    + """
local token = redis.call('HGET', call_key(id), 'lease') or ''
"""
    + HOLDING
    + """
local as_before = c.settled_with == 'callback' and c.status == status
  and redis.call('GET', result_key(id)) == result and redis.call('HGET', call_key(id), 'failure') == failure
if as_before then return {'taken', c.status} end
if c.status ~= 'running' and c.status ~= 'queued' then return {'ended', c.status} end
if c.holder then let_go() end
redis.call('SET', result_key(id), result, 'EX', c.ttl_s)
finish(status, failure)
redis.call('HSET', call_key(id), 'settled_with', 'callback')
return {'taken', status}
""",
)

CANCEL = Script(
    "id failure",
    """
local token = redis.call('HGET', call_key(id), 'lease') or ''
"""
    + HOLDING
    + """
if c.status ~= 'queued' and c.status ~= 'running' then return {'ended'} end
if c.holder then let_go() end
finish('cancelled', failure)
redis.call('HSET', call_key(id), 'handed_over', now)
return {'cancelled'}
""",
)

READ = Script(
    "id wants_result waits",
    READING
    + OPEN_QUESTIONS
    + """
if redis.call('EXISTS', call_key(id)) == 0 then return {} end
if waits == '1' then redis.call('HSET', call_key(id), 'waited_at', now) end
local result = wants_result == '1' and redis.call('GET', result_key(id))
local file_bytes = result and redis.call('STRLEN', result_file_key(id)) or 0
return {read(id), result or '', wants_result == '1' and questions(id) or {}, file_bytes}
""",
)

READ_FILE = Script(
    "id first last",
    "return {redis.call('GETRANGE', result_file_key(id), first, last), "
    "redis.call('STRLEN', result_file_key(id))}",
)

LIST = Script(
    "server principal status after limit look_at",
    READING
    + """
local rows, index = {}, calls_key(server, principal)
local ids = redis.call('ZRANGEBYSCORE', index, '(' .. after, '+inf', 'LIMIT', 0, look_at)
local on_from = #ids == tonumber(look_at) and redis.call('ZSCORE', index, ids[#ids]) or ''
for _, id in ipairs(ids) do
  local row = read(id)
  local found = row[3][4]
  if not found then redis.call('ZREM', index, id)
  elseif status == '' or found == status then
    rows[#rows + 1] = row
    if #rows >= tonumber(limit) then break end
  end
end
return {rows, on_from}
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
