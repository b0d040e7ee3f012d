"""The atomic steps of a call that is being run, in Lua."""

from bridge.store.call_steps import HOLDING, READING
from bridge.store.scripts import Script

LEASE = Script(
    "id token process unwaited_ms look_again_ms places",
    READING
    + HOLDING
    + """
local w = redis.call('HMGET', call_key(id), 'waited_at', 'promised', 'timeout_ms')
local function has_slot()
  if not redis.call('ZSCORE', slots(), id) then
    redis.call('ZADD', turns(), c.order, id)
    admit()
  end
  return redis.call('ZSCORE', slots(), id)
end
local function waits_ms()
  local r = redis.call('HMGET', call_key(id), 'rate_count', 'rate_ms', 'sends_at')
  if r[1] == '0' or c.execution then return 0 end
  if not r[3] then
    local times = sends_key(c.server, c.workflow)
    local earlier = redis.call('LINDEX', times, -r[1])
    r[3] = earlier and math.max(now, earlier + r[2]) or now
    redis.call('RPUSH', times, r[3])
    redis.call('LTRIM', times, -r[1], -1)
    redis.call('PEXPIRE', times, r[3] - now + r[2])
    redis.call('HSET', call_key(id), 'sends_at', r[3])
  end
  return r[3] - now
end
if places ~= '0' then
  redis.call('HSET', places_key(), process, places)
  redis.call('ZADD', processes_key(), now, process)
end
local function may_run() return places == '0' or has_place(id, c.server, c.principal) end
if c.status == 'queued' and not c.sent_at and not w[2] and now - w[1] > tonumber(unwaited_ms) then
  finish('cancelled', 'nobody waited for it any more, so it was never sent')
  joinable_for(0)
  return {}
elseif c.status == 'queued' and not has_slot() then
  redis.call('ZADD', due_calls_key(), now + look_again_ms + 100 * redis.call('ZRANK', turns(), id), id)
  return {}
elseif c.status == 'queued' and waits_ms() > 0 then
  leave_place(id)
  redis.call('ZADD', slots(), now + waits_ms() + 30000, id)
  redis.call('ZADD', due_calls_key(), now + waits_ms(), id)
  return {}
elseif c.status == 'queued' and not may_run() then
  redis.call('ZADD', slots(), now + 600000, id)
  redis.call('ZADD', due_calls_key(), now + look_again_ms + 100 * redis.call('ZRANK', placeless_key(c.server), id), id)
  return {}
elseif c.status == 'queued' then
  if places ~= '0' then place(id, now + w[3] + 60000) end
  redis.call('HDEL', call_key(id), 'sends_at')
  redis.call('ZADD', slots(), now + w[3] + 60000, id)
  redis.call('HSET', call_key(id), 'status', 'running', 'lease', token, 'holder', process, 'updated_at', now)
  redis.call('HSETNX', call_key(id), 'started_at', now)
  local attempt = redis.call('HINCRBY', call_key(id), 'attempt', 1)
  note(call_key(id), 'started', {attempt = attempt, by = process})
  redis.call('EXPIRE', call_key(id), 2 * c.ttl_s)
  redis.call('ZREM', due_calls_key(), id)
  hold(process, 'call ' .. id .. ' ' .. token)
elseif c.status == 'running' and not c.lease and redis.call('HGET', call_key(id), 'awaited_by') then
  redis.call('HSET', call_key(id), 'lease', token, 'holder', process)
  redis.call('ZREM', due_calls_key(), id)
  hold(process, 'call ' .. id .. ' ' .. token)
elseif c.status ~= 'running' or c.lease ~= token then
  return {}
end
return {string.format('%.0f', now - redis.call('HGET', call_key(id), 'started_at')), read(id),
  redis.call('HGET', call_key(id), 'secret')}
""",
)

SENT = Script(
    "id token",
    HOLDING
    + """
if not is_mine then return {'lost'} end
redis.call('HSETNX', call_key(id), 'sent_at', now)
if redis.call('HGET', call_key(id), 'sent_with') ~= token then
  redis.call('HSET', call_key(id), 'sent_with', token)
  note(call_key(id), 'sent')
end
return {'held'}
""",
)

EXECUTES = Script(
    "id token execution",
    HOLDING
    + """
if not is_mine then return {'lost'} end
if c.execution ~= execution then note(call_key(id), 'executing', {execution = execution}) end
redis.call('HSET', call_key(id), 'execution', execution)
return {'held'}
""",
)

FINISH = Script(
    "id token status result file failure blame",
    HOLDING
    + """
if c.settled_with == token then return {'finished', c.status} end
if not is_mine then return {'lost', c.status or 'unknown'} end
let_go()
redis.call('SET', result_key(id), result, 'EX', c.ttl_s)
if file ~= '' then redis.call('SET', result_file_key(id), file, 'EX', c.ttl_s) end
finish(status, failure, blame)
redis.call('HSET', call_key(id), 'settled_with', token)
return {'finished', status}
""",
)

PARK = Script(
    "id token delay_ms ran failure",
    HOLDING
    + """
if not is_mine then return {'lost'} end
let_go()
if ran == '0' then
  redis.call('HDEL', call_key(id), 'sent_at')
  redis.call('HINCRBY', call_key(id), 'attempt', -1)
end
redis.call('HDEL', call_key(id), 'execution')
redis.call('HSET', call_key(id), 'failure', failure)
note(call_key(id), 'parked', {reason = failure, delay_s = delay_ms / 1000, counted = ran == '1'})
requeue(delay_ms)
return {'parked'}
""",
)

AWAIT = Script(
    "id token delay_ms",
    HOLDING
    + """
if not is_mine then return {'lost'} end
let_go()
redis.call('HSET', call_key(id), 'awaited_by', token)
note(call_key(id), 'awaiting')
leave_place(id)
redis.call('ZADD', due_calls_key(), now + delay_ms, id)
return {'awaited'}
""",
)

ABANDON = Script(
    "id token failure",
    HOLDING
    + """
if not is_mine then return {} end
let_go()
note(call_key(id), 'abandoned', {by = c.holder})
if c.execution or not c.sent_at then
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

SWEEP = Script(
    "limit again_ms",
    """
local due = redis.call('ZRANGEBYSCORE', due_calls_key(), '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do
  local c = fields(call_key(id), 'status', 'awaited_by')
  if c.status == 'queued' or (c.status == 'running' and c.awaited_by) then
    redis.call('ZADD', due_calls_key(), now + again_ms, id)
  else
    redis.call('ZREM', due_calls_key(), id)
  end
end
return due
""",
)
