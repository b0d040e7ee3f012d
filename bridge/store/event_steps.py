"""The atomic steps of an event's life, in Lua."""

from bridge.store.intake_steps import FILES, MERGE, ROOM
from bridge.store.question_steps import ASKER, ASKING
from bridge.store.scripts import Script
from bridge.store.waiter_steps import OFFER

MOVE = (
    ASKING
    + """
local function move(id, status)
  local e = redis.call('HMGET', event_key(id), 'server', 'hook', 'status', 'order', 'call')
  local inbox = inbox_key(e[1], e[2], status)
  redis.call('ZREM', inbox_key(e[1], e[2], e[3]), id)
  redis.call('ZADD', inbox, e[4], id)
  for _, oldest in ipairs(redis.call('ZRANGE', inbox, 0, 1)) do
    if redis.call('EXISTS', event_key(oldest)) == 0 then redis.call('ZREM', inbox, oldest) end
  end
  redis.call('HSET', event_key(id), 'status', status)
  asks(id, e[5], status == 'queued' or status == 'delayed')
  count(1, 'events', e[1], e[2], status)
  ring('events:' .. e[1])
  ring('event:' .. id)
end
"""
)
READING = """
local function read(id)
  return {redis.call('HMGET', event_key(id), 'id', 'server', 'hook', 'status', 'attempt', 'received_at',
      'order', 'media_type', 'summary', 'reason', 'merged', 'execution', 'kept'),
    redis.call('HMGET', reply_key(id), 'status', 'value', 'attempts', 'last_failure')}
end
"""

ACCEPT = Script(
    "id server hook body media_type summary digest idempotency reply_url reply_deadline default_reply "
    "lease_s max_attempts answer_within_s ttl_s window_s rate_count rate_ms queued_max files file_sizes "
    "execution coalesce coalesce_ms call kept",
    READING
    + ROOM
    + FILES
    + MERGE
    + ASKER
    + ASKING
    + OFFER
    + """
local part_of = coalesce ~= '' and redis.call('GET', merged_key(id))
if part_of and redis.call('EXISTS', event_key(part_of)) == 1 then return {'merged', unpack(read(part_of))} end
local is_new = redis.call('EXISTS', event_key(id)) == 0
if idempotency ~= '' then
  local seen = redis.call('HMGET', idempotency_key(idempotency), 'id', 'digest')
  if seen[1] and seen[1] ~= id and redis.call('EXISTS', event_key(seen[1])) == 1 then
    if seen[2] ~= digest then return {'conflict'} end
    return {'duplicate', unpack(read(seen[1]))}
  end
end
local into = is_new and queued_of_its_kind()
local refused = is_new and not into and (unasked() or refusal())
if refused then return refused end
if idempotency ~= '' then
  redis.call('HSET', idempotency_key(idempotency), 'id', into or id, 'digest', digest)
  redis.call('EXPIRE', idempotency_key(idempotency), window_s)
end
if into then
  merge(into)
  return {'merged', unpack(read(into))}
end
if is_new then
  arrive()
  if coalesce ~= '' then redis.call('SET', coalesce_key(coalesce), id, 'PX', coalesce_ms) end
  keep_files(id, math.ceil(answer_within_s + ttl_s))
  local order = next_order()
  local open_s = tonumber(answer_within_s)
  redis.call('HSET', event_key(id), 'id', id, 'server', server, 'hook', hook, 'status', 'queued',
    'attempt', 0, 'order', order, 'received_at', now, 'body', body, 'media_type', media_type,
    'summary', summary, 'lease_s', lease_s, 'max_attempts', max_attempts, 'ttl_s', ttl_s, 'open_s', open_s,
    'execution', execution, 'call', call, 'kept', kept)
  asks(id, call, true)
  redis.call('HSET', reply_key(id), 'status', 'none', 'attempts', 0, 'url', reply_url,
    'deadline', reply_deadline, 'default', default_reply)
  redis.call('EXPIRE', event_key(id), math.ceil(open_s + ttl_s))
  redis.call('EXPIRE', reply_key(id), math.ceil(open_s + ttl_s))
  redis.call('ZADD', inbox_key(server, hook, 'queued'), order, id)
  count(1, 'events', server, hook, 'queued')
  redis.call('ZADD', event_deadlines_key(), now + open_s * 1000, id)
  ring('events:' .. server)
end
local accepted = {'accepted', unpack(read(id))}
if is_new then offer(server, hook) end
return accepted
""",
)

READ = Script(
    "id",
    READING + "if redis.call('EXISTS', event_key(id)) == 0 then return {} end return read(id)",
)

READ_BODY = Script(
    "id", "return redis.call('HMGET', event_key(id), 'server', 'body', 'media_type')"
)

READ_AGED = Script(
    "id",
    READING
    + """
local received_at = redis.call('HGET', event_key(id), 'received_at')
if not received_at then return {} end
return {string.format('%.0f', now - received_at), unpack(read(id))}
""",
)

LIST = Script(
    "server hooks statuses after limit",
    READING
    + """
local function living(inbox)
  while true do
    local found, gone = redis.call('ZRANGEBYSCORE', inbox, '(' .. after, '+inf', 'LIMIT', 0, limit), {}
    for _, id in ipairs(found) do
      if redis.call('EXISTS', event_key(id)) == 0 then gone[#gone + 1] = id end
    end
    if #gone == 0 then return found end
    redis.call('ZREM', inbox, unpack(gone))
  end
end
local rows = {}
for _, hook in ipairs(cjson.decode(hooks)) do
  for _, status in ipairs(cjson.decode(statuses)) do
    for _, id in ipairs(living(inbox_key(server, hook, status))) do rows[#rows + 1] = read(id) end
  end
end
return rows
""",
)

_HOLDS = """
local e = redis.call('HMGET', event_key(id), 'status', 'lease', 'leased_by', 'settled_with', 'holder', 'server',
  'attempt', 'max_attempts', 'released_with', 'released_as')
if e[6] ~= server then return {'lost', 'unknown'} end
local is_mine = e[2] == token and e[3] == principal
local is_open = e[1] == 'leased' or e[1] == 'queued'
local function let_go()
  redis.call('ZREM', event_leases_key(), id)
  redis.call('SREM', held_key(e[5] or ''), 'event ' .. id .. ' ' .. token)
end
"""

ANSWER = Script(
    "id token server principal value",
    MOVE
    + _HOLDS
    + """
local given = redis.call('HMGET', reply_key(id), 'value', 'status')
if is_mine and e[4] == token and given[1] == value then return {'answered', given[2]} end
if not is_mine or not (is_open or e[1] == 'dead' and not given[1]) then return {'lost', e[1]} end
let_go()
move(id, 'answered')
redis.call('HSET', event_key(id), 'settled_with', token)
note(event_key(id), 'answered', {by = principal})
redis.call('ZREM', event_deadlines_key(), id)
local pending = (redis.call('HGET', reply_key(id), 'url') or '') ~= ''
redis.call('HSET', reply_key(id), 'value', value, 'status', pending and 'pending' or 'none', 'answered_at', now)
if pending then redis.call('ZADD', due_replies_key(), now + 2000, id) end
return {'answered', pending and 'pending' or 'none'}
""",
)

EXTEND = Script(
    "id token server principal seconds",
    _HOLDS
    + """
if not is_mine or e[1] ~= 'leased' then return {'lost', e[1]} end
redis.call('ZADD', event_leases_key(), now + seconds * 1000, id)
note(event_key(id), 'extended', {by = principal, seconds = tonumber(seconds)})
return {'extended', string.format('%.0f', now + seconds * 1000)}
""",
)

RELEASE = Script(
    "id token server principal status delay_ms reason",
    MOVE
    + OFFER
    + _HOLDS
    + """
if e[9] == token then return {'released', e[10]} end
if not is_mine or not is_open then return {'lost', e[1]} end
let_go()
if status ~= 'dead' and tonumber(e[7]) >= tonumber(e[8]) then
  status = 'dead'
  if reason == '' then reason = 'every attempt was given back' end
end
redis.call('HDEL', event_key(id), 'lease')
redis.call('HSET', event_key(id), 'reason', reason, 'released_with', token, 'released_as', status)
move(id, status)
note(event_key(id), 'released', {by = principal, to = status, reason = reason,
  delay_s = status == 'delayed' and delay_ms / 1000 or nil})
if status == 'delayed' then redis.call('ZADD', event_leases_key(), now + delay_ms, id) end
if status == 'queued' then offer(server, redis.call('HGET', event_key(id), 'hook')) end
return {'released', status}
""",
)

SWEEP_LEASES = Script(
    "limit",
    MOVE
    + OFFER
    + """
local due = redis.call('ZRANGEBYSCORE', event_leases_key(), '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do
  redis.call('ZREM', event_leases_key(), id)
  local e = redis.call('HMGET', event_key(id), 'status', 'attempt', 'max_attempts', 'holder', 'lease', 'server', 'hook')
  if e[1] == 'delayed' then
    move(id, 'queued')
    note(event_key(id), 'due')
  end
  if e[1] == 'leased' then
    redis.call('SREM', held_key(e[4] or ''), 'event ' .. id .. ' ' .. (e[5] or ''))
    local spent = tonumber(e[2]) >= tonumber(e[3])
    if spent then redis.call('HSET', event_key(id), 'reason', 'every attempt ran out its lease') end
    move(id, spent and 'dead' or 'queued')
    note(event_key(id), 'lapsed', {to = spent and 'dead' or 'queued'})
  end
  if redis.call('HGET', event_key(id), 'status') == 'queued' then offer(e[6], e[7]) end
end
return due
""",
)

SWEEP_DEADLINES = Script(
    "limit",
    MOVE
    + """
local due = redis.call('ZRANGEBYSCORE', event_deadlines_key(), '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do
  redis.call('ZREM', event_deadlines_key(), id)
  if redis.call('EXISTS', event_key(id)) == 1 then
    local e = redis.call('HMGET', event_key(id), 'holder', 'lease')
    redis.call('SREM', held_key(e[1] or ''), 'event ' .. id .. ' ' .. (e[2] or ''))
    redis.call('ZREM', event_leases_key(), id)
    if redis.call('HGET', event_key(id), 'status') ~= 'dead' then
      redis.call('HSET', event_key(id), 'reason', 'nobody answered in time')
      move(id, 'expired')
    end
    local reply = redis.call('HMGET', reply_key(id), 'url', 'default')
    note(event_key(id), 'expired', {default_reply = reply[2] and reply[2] ~= '' or nil})
    if reply[2] and reply[2] ~= '' then
      redis.call('HSET', reply_key(id), 'value', reply[2], 'answered_at', now)
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
