"""The atomic steps of webhook subscriptions, in Lua."""

from bridge.store.scripts import Script

MOST_S = 86400
"""The longest that a subscription lasts without being renewed."""

ROTATION_MS = 600_000
"""For how long messages are signed with the secret before the newest one, too."""

PROVED_S = 86400
PROOFS_S = 60

TELL = """
local function tell_subscribers()
  local found = redis.call('ZRANGEBYSCORE', subscribers_key(server, hook), now, '+inf')
  for _, subscription in ipairs(found) do
    redis.call('ZADD', due_subscriptions_key(), 'NX', now, subscription)
  end
  if #found > 0 then ring('due_subscriptions') end
end
"""
"""`tell_subscribers()` has all be brought what has just come on a hook; who rests is let rest."""

_FORGET = """
local function forget()
  local s = fields(subscription_key(id), 'server', 'hook', 'principal', 'lease', 'holder')
  redis.call('ZREM', due_subscriptions_key(), id)
  if not s.server then return false end
  redis.call('ZREM', subscribers_key(s.server, s.hook), id)
  redis.call('ZREM', subscribed_key(s.server, s.principal), id)
  if s.lease then redis.call('SREM', held_key(s.holder), 'subscription ' .. id .. ' ' .. s.lease) end
  redis.call('DEL', subscription_key(id))
  return true
end
"""

KEEP = Script(
    "id server hook principal token url secret cursor ttl_ms most",
    f"""
local s = fields(subscription_key(id), 'secret', 'cursor', 'suspended', 'last_delivery_at', 'last_error', 'failed_since')
local mine = subscribed_key(server, principal)
redis.call('ZREMRANGEBYSCORE', mine, '-inf', now)
if not s.secret and redis.call('ZCARD', mine) >= tonumber(most) then return {{}} end
local expires_at = string.format('%.0f', now + ttl_ms)
if s.secret and s.secret ~= secret then
  redis.call('HSET', subscription_key(id), 'old_secret', s.secret, 'old_until', string.format('%.0f', now + {ROTATION_MS}))
end
redis.call('HSETNX', subscription_key(id), 'cursor', cursor)
redis.call('HSET', subscription_key(id), 'server', server, 'hook', hook, 'principal', principal, 'token', token,
  'url', url, 'secret', secret, 'suspended', 0, 'v', layout)
if s.suspended == '1' then redis.call('HSET', subscription_key(id), 'tries', 0) end
redis.call('PEXPIREAT', subscription_key(id), expires_at)
for _, index in ipairs({{mine, subscribers_key(server, hook)}}) do
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  redis.call('ZADD', index, expires_at, id)
  redis.call('EXPIRE', index, {MOST_S})
end
redis.call('ZADD', due_subscriptions_key(), now, id)
ring('due_subscriptions')
return {{s.cursor or cursor, expires_at, s.secret and '1' or '0', s.suspended or '0', s.last_delivery_at or '',
  s.last_error or '', s.failed_since or ''}}
""",
)

FORGET = Script("id", _FORGET + "return {forget() and 'forgotten' or 'unknown'}")

LEASE = Script(
    "id token process",
    _FORGET
    + """
local s = fields(subscription_key(id), 'server', 'hook', 'principal', 'token', 'url', 'secret', 'old_secret', 'old_until',
  'cursor', 'suspended', 'lease', 'gap')
if not s.url or s.suspended == '1' then
  redis.call('ZREM', due_subscriptions_key(), id)
  return {}
end
if s.lease and s.lease ~= token then return {} end
if not s.lease then
  redis.call('HSET', subscription_key(id), 'lease', token, 'holder', process)
  redis.call('ZREM', due_subscriptions_key(), id)
  hold(process, 'subscription ' .. id .. ' ' .. token)
end
local old = s.old_secret and tonumber(s.old_until) > now and s.old_secret or ''
return {s.server, s.hook, s.principal, s.token, s.url, s.secret, old, s.cursor, s.gap or '0'}
""",
)

_HELD = """
local s = fields(subscription_key(id), 'lease', 'holder', 'tries', 'spent', 'failed_since')
if s.lease ~= token then
  redis.call('SREM', held_key(process), 'subscription ' .. id .. ' ' .. token)
  return {'lost'}
end
local function let_go()
  redis.call('HDEL', subscription_key(id), 'lease')
  redis.call('SREM', held_key(s.holder), 'subscription ' .. id .. ' ' .. token)
end
local function again_at(at)
  redis.call('ZADD', due_subscriptions_key(), at, id)
  ring('due_subscriptions')
end
"""

# What was told is behind the cursor: told again it is only where this step was lost.
ADVANCE = Script(
    "id token process cursor is_delivered",
    _HELD
    + """
redis.call('HSET', subscription_key(id), 'cursor', cursor, 'tries', 0, 'gap', 0, 'spent', '')
if is_delivered == '1' then
  redis.call('HSET', subscription_key(id), 'last_delivery_at', now, 'last_error', '', 'failed_since', '')
end
return {'advanced'}
""",
)

# What is spent a second time is given up, and a gap in its place: a receiver that is mended in
# between has had two chances to take it, and one that can never take it holds up no more.
FAIL = Script(
    "id token process order error pauses",
    _HELD
    + """
let_go()
local tries = redis.call('HINCRBY', subscription_key(id), 'tries', 1)
local pause_ms = cjson.decode(pauses)[tries]
redis.call('HSET', subscription_key(id), 'last_error', error)
if (s.failed_since or '') == '' then redis.call('HSET', subscription_key(id), 'failed_since', now) end
if pause_ms then
  again_at(now + pause_ms)
  return {'again'}
end
redis.call('HSET', subscription_key(id), 'tries', 0)
if s.spent == order and order ~= '' then
  redis.call('HSET', subscription_key(id), 'cursor', order, 'gap', 1, 'spent', '')
  again_at(now)
  return {'given up'}
end
redis.call('HSET', subscription_key(id), 'spent', order, 'suspended', 1)
redis.call('ZREM', due_subscriptions_key(), id)
return {'suspended'}
""",
)

# Who was told of something meanwhile is due already, and must look again now.
DONE = Script(
    "id token process cursor",
    _HELD
    + """
let_go()
redis.call('HSET', subscription_key(id), 'cursor', cursor)
if redis.call('ZSCORE', due_subscriptions_key(), id) then again_at(now) end
return {'done'}
""",
)

ABANDON = Script("id token process", _HELD + "let_go() again_at(now) return {'abandoned'}")

SWEEP = Script(
    "limit again_ms",
    """
local due = redis.call('ZRANGEBYSCORE', due_subscriptions_key(), '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do redis.call('ZADD', due_subscriptions_key(), now + again_ms, id) end
return due
""",
)

PROVED = Script("digest", "return {redis.call('GET', proved_key(digest))}")
PROVE = Script("digest", f"redis.call('SET', proved_key(digest), 1, 'EX', {PROVED_S}) return {{}}")
ASK_PROOF = Script(
    "digest token most",
    f"""
if redis.call('SISMEMBER', proofs_key(digest), token) == 1 then return {{'asked'}} end
local asked = redis.call('SCARD', proofs_key(digest))
if asked >= tonumber(most) then return {{}} end
redis.call('SADD', proofs_key(digest), token)
if asked == 0 then redis.call('EXPIRE', proofs_key(digest), {PROOFS_S}) end
return {{'asked'}}
""",
)
