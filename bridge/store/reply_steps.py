"""The atomic steps that bring a reply to n8n, in Lua."""

from bridge.store.scripts import Script

DROP = """
local function drop_lease(token)
  local r = redis.call('HMGET', reply_key(id), 'lease', 'holder')
  if r[1] ~= token then return false end
  redis.call('HDEL', reply_key(id), 'lease')
  redis.call('SREM', held_key(r[2]), 'reply ' .. id .. ' ' .. token)
  return true
end
"""

LEASE = Script(
    "id token process",
    """
local r = fields(reply_key(id), 'status', 'lease', 'url', 'value', 'deadline', 'attempts', 'unknown',
  'answered_at', 'redriven_at', 'tried_before', 'last_failure')
if r.status ~= 'pending' or (r.lease and r.lease ~= token) then return {} end
if r.lease ~= token then
  r.attempts = redis.call('HINCRBY', reply_key(id), 'attempts', 1)
  redis.call('HSET', reply_key(id), 'lease', token, 'holder', process)
  redis.call('ZREM', due_replies_key(), id)
  hold(process, 'reply ' .. id .. ' ' .. token)
end
local left = r.deadline and r.deadline ~= '' and string.format('%.0f', r.deadline - now) or ''
local age = string.format('%.0f', now - (r.redriven_at or r.answered_at or now))
return {r.url or '', r.value, left, age, tostring(r.attempts), r.tried_before or '0', r.unknown or '0',
  r.last_failure or '', redis.call('HGET', event_key(id), 'server'), redis.call('HGET', event_key(id), 'hook')}
""",
)

SETTLE = Script(
    "id token status failure delay_ms unknown keep",
    DROP
    + """
if not drop_lease(token) then return {'lost'} end
redis.call('HSET', reply_key(id), 'status', status, 'last_failure', failure, 'unknown', unknown)
redis.call('RPUSH', attempts_key(id), cjson.encode({
  attempt = tonumber(redis.call('HGET', reply_key(id), 'attempts')), at = now, status = status, failure = failure}))
redis.call('LTRIM', attempts_key(id), -keep, -1)
redis.call('EXPIRE', attempts_key(id), math.max(redis.call('TTL', reply_key(id)), 1))
if status == 'pending' then
  redis.call('ZADD', due_replies_key(), now + delay_ms, id)
else
  local e = redis.call('HMGET', event_key(id), 'server', 'hook')
  count(1, 'replies', e[1] or '', e[2] or '', status)
end
if status == 'delivered' then redis.call('HDEL', reply_key(id), 'url') end
if status == 'dead' then
  redis.call('ZADD', dead_replies_key(), now, id)
  for _, oldest in ipairs(redis.call('ZRANGE', dead_replies_key(), 0, 1)) do
    if redis.call('EXISTS', reply_key(oldest)) == 0 then redis.call('ZREM', dead_replies_key(), oldest) end
  end
end
ring('event:' .. id)
return {'settled'}
""",
)

PUT_OFF = Script(
    "id token delay_ms failure",
    DROP
    + """
if drop_lease(token) then
  redis.call('HINCRBY', reply_key(id), 'attempts', -1)
  if (redis.call('HGET', reply_key(id), 'last_failure') or '') == '' then
    redis.call('HSET', reply_key(id), 'last_failure', failure)
  end
  redis.call('ZADD', due_replies_key(), now + delay_ms, id)
end
return {}
""",
)

ABANDON = Script(
    "id token",
    DROP
    + """
if drop_lease(token) and redis.call('HGET', reply_key(id), 'status') == 'pending' then
  redis.call('HSET', reply_key(id), 'unknown', 1)
  note(event_key(id), 'reply_abandoned')
  redis.call('ZADD', due_replies_key(), now, id)
end
return {}
""",
)

REDRIVE = Script(
    "id",
    """
local r = fields(reply_key(id), 'status', 'deadline', 'attempts')
if not r.status then return {'unknown'} end
if r.status ~= 'dead' then return {r.status} end
if r.deadline and r.deadline ~= '' and tonumber(r.deadline) <= now then return {'late'} end
redis.call('HSET', reply_key(id), 'status', 'pending', 'redriven_at', now, 'tried_before', r.attempts)
redis.call('ZREM', dead_replies_key(), id)
redis.call('ZADD', due_replies_key(), now, id)
note(event_key(id), 'reply_redriven')
ring('event:' .. id)
return {'pending'}
""",
)

LIST = Script(
    "status server hook skip limit",
    """
local index = status == 'dead' and dead_replies_key() or due_replies_key()
local rows, skipped = {}, 0
for _, id in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  local r = redis.call('HMGET', reply_key(id), 'status', 'value', 'attempts', 'last_failure')
  local e = redis.call('HMGET', event_key(id), 'server', 'hook')
  if not r[1] then
    redis.call('ZREM', index, id)
  elseif r[1] == status and (server == '' or server == e[1]) and (hook == '' or hook == e[2]) then
    skipped = skipped + 1
    if skipped > tonumber(skip) then rows[#rows + 1] = {id, e[1], e[2], r} end
    if #rows == tonumber(limit) then break end
  end
end
return rows
""",
)

ATTEMPTS = Script("id", "return redis.call('LRANGE', attempts_key(id), 0, -1)")

SWEEP = Script(
    "limit again_ms",
    """
local due = redis.call('ZRANGEBYSCORE', due_replies_key(), '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do
  if redis.call('HGET', reply_key(id), 'status') == 'pending' then
    redis.call('ZADD', due_replies_key(), now + again_ms, id)
  else
    redis.call('ZREM', due_replies_key(), id)
  end
end
return due
""",
)
