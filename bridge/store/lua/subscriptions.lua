-- Webhook subscriptions: receivers outside that are sent what comes on a hook, by one process at a
-- time, which holds the lease.
local clock = require 'clock'
local keys = require 'keys'
local layouts = require 'layouts'
local processes = require 'processes'
local records = require 'records'
local signals = require 'signals'
local subscriptions = {}

-- Have all be sent what has just come on a hook. One that rests after a failure is let rest.
function subscriptions.wake(server, hook)
  local found = redis.call('ZRANGEBYSCORE', keys.subscribers(server, hook), clock.now_ms, '+inf')
  for _, subscription_id in ipairs(found) do
    redis.call('ZADD', keys.due_subscriptions(), 'NX', clock.now_ms, subscription_id)
  end
  if #found > 0 then signals.notify('due_subscriptions') end
end

-- Have one be sent what waits for it, from a moment on.
function subscriptions.due_at(subscription_id, at_ms)
  redis.call('ZADD', keys.due_subscriptions(), at_ms, subscription_id)
  signals.notify('due_subscriptions')
end

-- List a subscription among all, in the order they were made; those first in the list leave it once
-- they have ended.
function subscriptions.list(subscription_id, ttl_s)
  local all = keys.subscriptions()
  if not redis.call('ZSCORE', all, subscription_id) then
    redis.call('ZADD', all, clock.next_order(), subscription_id)
  end
  for _, oldest in ipairs(redis.call('ZRANGE', all, 0, 1)) do
    if redis.call('EXISTS', keys.subscription(oldest)) == 0 then
      redis.call('ZREM', all, oldest)
    end
  end
  redis.call('EXPIRE', all, ttl_s)
end

-- Begin or renew a subscription; nothing where the principal has `most` others. Messages are signed
-- with the secret before the newest one too, for a while.
-- step subscriptions.keep(new: {subscription_id, server, hook, principal, token, url, secret,
--   cursor, ttl_ms: number}, most: number, rotation_ms: number, index_ttl_s) -> {cursor,
--   expires_at_ms, is_old, was_suspended?, last_delivery_at_ms?, last_error?, failed_since_ms?}?
function subscriptions.keep(new, most, rotation_ms, index_ttl_s)
  local id, key = new.subscription_id, keys.subscription(new.subscription_id)
  local s = records.fields(key, 'secret', 'cursor', 'suspended', 'last_delivery_at', 'last_error',
    'failed_since')
  local mine = keys.subscribed(new.server, new.principal)
  redis.call('ZREMRANGEBYSCORE', mine, '-inf', clock.now_ms)
  if not s.secret and redis.call('ZCARD', mine) >= most then return end
  if s.secret and s.secret ~= new.secret then
    redis.call('HSET', key, 'old_secret', s.secret,
      'old_until', clock.digits(clock.now_ms + rotation_ms))
  end
  local expires_at = clock.digits(clock.now_ms + new.ttl_ms)
  redis.call('HSETNX', key, 'cursor', new.cursor)
  redis.call('HSET', key, 'server', new.server, 'hook', new.hook, 'principal', new.principal,
    'token', new.token, 'url', new.url, 'secret', new.secret, 'suspended', 0, 'v', layouts.now)
  if s.suspended == '1' then redis.call('HSET', key, 'tries', 0) end
  redis.call('PEXPIREAT', key, expires_at)
  for _, index in ipairs({mine, keys.subscribers(new.server, new.hook)}) do
    redis.call('ZREMRANGEBYSCORE', index, '-inf', clock.now_ms)
    redis.call('ZADD', index, expires_at, id)
    redis.call('EXPIRE', index, index_ttl_s)
  end
  subscriptions.list(id, index_ttl_s)
  subscriptions.due_at(id, clock.now_ms)
  return {
    cursor = s.cursor or new.cursor, expires_at_ms = expires_at, is_old = s.secret and 1 or 0,
    was_suspended = s.suspended, last_delivery_at_ms = s.last_delivery_at,
    last_error = s.last_error, failed_since_ms = s.failed_since,
  }
end

-- End a subscription; false where there is none.
-- step subscriptions.forget(subscription_id) -> bool
function subscriptions.forget(subscription_id)
  local key = keys.subscription(subscription_id)
  local s = records.fields(key, 'server', 'hook', 'principal', 'lease', 'holder')
  redis.call('ZREM', keys.due_subscriptions(), subscription_id)
  redis.call('ZREM', keys.subscriptions(), subscription_id)
  if not s.server then return false end
  redis.call('ZREM', keys.subscribers(s.server, s.hook), subscription_id)
  redis.call('ZREM', keys.subscribed(s.server, s.principal), subscription_id)
  if s.lease then
    redis.call('SREM', keys.held(s.holder), 'subscription ' .. subscription_id .. ' ' .. s.lease)
  end
  redis.call('DEL', key)
  return true
end

-- Become the one who sends; nothing where another does, or there is nothing to do.
-- step subscriptions.lease(subscription_id, token, process)
--   -> {server, hook, principal, token, url, secret, old_secret?, cursor, gap?}?
function subscriptions.lease(subscription_id, token, process)
  local key = keys.subscription(subscription_id)
  local s = records.fields(key, 'server', 'hook', 'principal', 'token', 'url', 'secret',
    'old_secret', 'old_until', 'cursor', 'suspended', 'lease', 'gap')
  if not s.url or s.suspended == '1' then
    redis.call('ZREM', keys.due_subscriptions(), subscription_id)
    return
  end
  if s.lease and s.lease ~= token then return end
  if not s.lease then
    redis.call('HSET', key, 'lease', token, 'holder', process)
    redis.call('ZREM', keys.due_subscriptions(), subscription_id)
    processes.hold(process, 'subscription ' .. subscription_id .. ' ' .. token)
  end
  if s.old_secret and tonumber(s.old_until) <= clock.now_ms then s.old_secret = nil end
  return s
end

-- What is kept of a subscription, if a token is its lease; nil for a process that has lost it, and
-- holds nothing then.
function subscriptions.held(claim)
  local id = claim.subscription_id
  local s = records.fields(keys.subscription(id), 'lease', 'holder', 'spent', 'failed_since')
  if s.lease == claim.lease then return s end
  redis.call('SREM', keys.held(claim.process), 'subscription ' .. id .. ' ' .. claim.lease)
end

-- Let the lease end.
function subscriptions.end_lease(claim, holder)
  local id = claim.subscription_id
  redis.call('HDEL', keys.subscription(id), 'lease')
  redis.call('SREM', keys.held(holder), 'subscription ' .. id .. ' ' .. claim.lease)
end

-- Record that all up to an order number was sent, or never will be: only a step that was lost lets
-- it be sent again. False: the lease was lost.
-- step subscriptions.advance(claim: {subscription_id, lease, process}, cursor, is_delivered: bool)
--   -> bool
function subscriptions.advance(claim, cursor, is_delivered)
  local key = keys.subscription(claim.subscription_id)
  if not subscriptions.held(claim) then return false end
  redis.call('HSET', key, 'cursor', cursor, 'tries', 0, 'gap', 0, 'spent', '')
  if is_delivered then
    redis.call('HSET', key, 'last_delivery_at', clock.now_ms, 'last_error', '', 'failed_since', '')
  end
  return true
end

-- Record that what stands at an order number was not taken. It is sent again after the pause that
-- is next; once there is none, the subscription is suspended. What is spent a second time is given
-- up, and a gap in its place: a receiver that is mended in between has had two chances to take it,
-- and one that can never take it holds up no more.
-- step subscriptions.fail(claim: {subscription_id, lease, process}, order, error, pauses: json)
--   -> text
function subscriptions.fail(claim, order, error, pauses)
  local key, s = keys.subscription(claim.subscription_id), subscriptions.held(claim)
  if not s then return 'lost' end
  subscriptions.end_lease(claim, s.holder)
  local pause_ms = pauses[redis.call('HINCRBY', key, 'tries', 1)]
  redis.call('HSET', key, 'last_error', error)
  if (s.failed_since or '') == '' then redis.call('HSET', key, 'failed_since', clock.now_ms) end
  if pause_ms then
    subscriptions.due_at(claim.subscription_id, clock.now_ms + pause_ms)
    return 'again'
  end
  redis.call('HSET', key, 'tries', 0)
  if s.spent == order and order ~= '' then
    redis.call('HSET', key, 'cursor', order, 'gap', 1, 'spent', '')
    subscriptions.due_at(claim.subscription_id, clock.now_ms)
    return 'given up'
  end
  redis.call('HSET', key, 'spent', order, 'suspended', 1)
  redis.call('ZREM', keys.due_subscriptions(), claim.subscription_id)
  return 'suspended'
end

-- Give the lease back: all up to an order number was sent. If something came meanwhile, it is due.
-- step subscriptions.done(claim: {subscription_id, lease, process}, cursor) -> nothing
function subscriptions.done(claim, cursor)
  local s = subscriptions.held(claim)
  if not s then return end
  subscriptions.end_lease(claim, s.holder)
  redis.call('HSET', keys.subscription(claim.subscription_id), 'cursor', cursor)
  if redis.call('ZSCORE', keys.due_subscriptions(), claim.subscription_id) then
    subscriptions.due_at(claim.subscription_id, clock.now_ms)
  end
end

-- Let another process send on; what was sent last may be sent again.
-- step subscriptions.abandon(claim: {subscription_id, lease, process}) -> nothing
function subscriptions.abandon(claim)
  local s = subscriptions.held(claim)
  if not s then return end
  subscriptions.end_lease(claim, s.holder)
  subscriptions.due_at(claim.subscription_id, clock.now_ms)
end

-- Name those that are due; they are due again after a while.
-- step subscriptions.sweep(limit, again_ms: number) -> [text]
function subscriptions.sweep(limit, again_ms)
  local due = clock.due(keys.due_subscriptions(), limit)
  for _, subscription_id in ipairs(due) do
    redis.call('ZADD', keys.due_subscriptions(), clock.now_ms + again_ms, subscription_id)
  end
  return due
end

-- Has a receiver proved of late that it wants to be sent to?
-- step subscriptions.is_proved(digest) -> bool
function subscriptions.is_proved(digest)
  return redis.call('EXISTS', keys.proved(digest)) == 1
end

-- Record that a receiver has proved it.
-- step subscriptions.prove(digest, ttl_s) -> nothing
function subscriptions.prove(digest, ttl_s)
  redis.call('SET', keys.proved(digest), 1, 'EX', ttl_s)
end

-- Count one more proof asked of a host; false beyond `most` within a time.
-- step subscriptions.ask_proof(digest, token, most: number, within_s) -> bool
function subscriptions.ask_proof(digest, token, most, within_s)
  local asked = keys.proofs(digest)
  if redis.call('SISMEMBER', asked, token) == 1 then return true end
  local count = redis.call('SCARD', asked)
  if count >= most then return false end
  redis.call('SADD', asked, token)
  if count == 0 then redis.call('EXPIRE', asked, within_s) end
  return true
end

return subscriptions
