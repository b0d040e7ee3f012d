-- Replies: Claude's answers to events, each brought to n8n by one sender at a time.
--
-- The sender holds a lease: a worker on its way to the reply address, or the request that waits for
-- the answer itself. What has a lease is due for nobody else.
local clock = require 'clock'
local counters = require 'counters'
local events = require 'events'
local keys = require 'keys'
local processes = require 'processes'
local records = require 'records'
local signals = require 'signals'
local timeline = require 'timeline'
local replies = {}

-- Give a reply to a sender, and write other fields with it.
function replies.give(event_id, token, process, ...)
  redis.call('HSET', keys.reply(event_id), 'lease', token, 'holder', process, ...)
  redis.call('ZREM', keys.due_replies(), event_id)
  processes.hold(process, 'reply ' .. event_id .. ' ' .. token)
end

-- Take a reply from its sender, and fields that are not needed any more; returns what steps decide
-- by, or nil where another token has it by now.
function replies.take_back(event_id, token, ...)
  local r = records.fields(keys.reply(event_id), 'lease', 'holder', 'status', 'attempts',
    'last_failure')
  if r.lease ~= token then return end
  redis.call('HDEL', keys.reply(event_id), 'lease', ...)
  redis.call('SREM', keys.held(r.holder), 'reply ' .. event_id .. ' ' .. token)
  return r
end

-- Become the one sender of a pending reply. `left_ms` is what n8n still waits, where it said so.
-- step replies.lease(event_id, token, process) -> {url?, value, left_ms?, age_ms, attempt,
--   tried_before?, unknown?, last_failure?, server, hook, trace?}?
function replies.lease(event_id, token, process)
  local key = keys.reply(event_id)
  local r = records.fields(key, 'status', 'lease', 'url', 'value', 'deadline', 'attempts',
    'unknown', 'answered_at', 'redriven_at', 'tried_before', 'last_failure')
  if r.status ~= 'pending' or (r.lease and r.lease ~= token) then return end
  if r.lease ~= token then
    r.attempts = r.attempts + 1
    replies.give(event_id, token, process, 'attempts', r.attempts)
  end
  local event = records.fields(keys.event(event_id), 'server', 'hook', 'trace')
  r.server, r.hook, r.trace, r.attempt = event.server, event.hook, event.trace, r.attempts
  r.left_ms = r.deadline and r.deadline ~= '' and r.deadline - clock.now_ms or nil
  r.age_ms = clock.now_ms - (r.redriven_at or r.answered_at or clock.now_ms)
  return r
end

-- End an attempt: the reply is `delivered`, `dead`, or `pending` and due again after a while. The
-- address of a delivered one is a secret that nobody needs any more.
-- step replies.settle(event_id, token, status, failure, delay_ms: number, unknown: bool,
--   keep: number) -> bool
function replies.settle(event_id, token, status, failure, delay_ms, unknown, keep)
  local r = replies.take_back(event_id, token, unpack(status == 'delivered' and {'url'} or {}))
  if not r then return false end
  redis.call('HSET', keys.reply(event_id), 'status', status, 'last_failure', failure,
    'unknown', unknown and 1 or 0)
  replies.keep_attempt(event_id, keep, {attempt = tonumber(r.attempts), at = clock.now_ms,
    status = status, failure = failure})
  if status == 'pending' then
    redis.call('ZADD', keys.due_replies(), clock.now_ms + delay_ms, event_id)
  else
    local e = records.fields(keys.event(event_id), 'server', 'hook')
    counters.add(1, 'replies', e.server or '', e.hook or '', status)
  end
  if status == 'dead' then replies.list_dead(event_id) end
  signals.notify('event:' .. event_id)
  return true
end

-- Keep how an attempt ended beside the last ones, for as long as the reply, whose life is not
-- prolonged once there was one.
function replies.keep_attempt(event_id, keep, attempt)
  local attempts = keys.attempts(event_id)
  local count = redis.call('RPUSH', attempts, cjson.encode(attempt))
  if count > keep then redis.call('LTRIM', attempts, -keep, -1) end
  if count > 1 then return end
  redis.call('EXPIRE', attempts, math.max(redis.call('TTL', keys.reply(event_id)), 1))
end

-- List a reply among the dead ones; those first in the list leave it once they have expired.
function replies.list_dead(event_id)
  local dead = keys.dead_replies()
  redis.call('ZADD', dead, clock.now_ms, event_id)
  for _, oldest in ipairs(redis.call('ZRANGE', dead, 0, 1)) do
    if redis.call('EXISTS', keys.reply(oldest)) == 0 then redis.call('ZREM', dead, oldest) end
  end
end

-- Give up the right to send without having sent: it counts as no attempt. The failure is kept where
-- there is no other.
-- step replies.put_off(event_id, token, delay_ms: number, failure) -> nothing
function replies.put_off(event_id, token, delay_ms, failure)
  local r = replies.take_back(event_id, token)
  if not r then return end
  local first = r.last_failure or ''
  redis.call('HSET', keys.reply(event_id), 'attempts', r.attempts - 1,
    'last_failure', first ~= '' and first or failure)
  redis.call('ZADD', keys.due_replies(), clock.now_ms + delay_ms, event_id)
end

-- Let another send what a dead sender had: it may have arrived.
-- step replies.abandon(event_id, token) -> nothing
function replies.abandon(event_id, token)
  local r = replies.take_back(event_id, token)
  if not r or r.status ~= 'pending' then return end
  redis.call('HSET', keys.reply(event_id), 'unknown', 1)
  timeline.add(keys.event(event_id), 'reply_abandoned')
  redis.call('ZADD', keys.due_replies(), clock.now_ms, event_id)
end

-- Make a dead reply pending and due now, with all its time before it. Returns the status it has
-- then, `late` where n8n waits no more, or `unknown`.
-- step replies.redrive(event_id) -> text
function replies.redrive(event_id)
  local reply = keys.reply(event_id)
  local r = records.fields(reply, 'status', 'deadline', 'attempts')
  if r.status ~= 'dead' then return r.status or 'unknown' end
  if r.deadline and r.deadline ~= '' and tonumber(r.deadline) <= clock.now_ms then return 'late' end
  redis.call('HSET', reply, 'status', 'pending', 'redriven_at', clock.now_ms,
    'tried_before', r.attempts)
  redis.call('ZREM', keys.dead_replies(), event_id)
  redis.call('ZADD', keys.due_replies(), clock.now_ms, event_id)
  timeline.add(keys.event(event_id), 'reply_redriven')
  signals.notify('event:' .. event_id)
  return 'pending'
end

-- Read how the last attempts ended, oldest first, as JSON.
-- step replies.attempts(event_id) -> [text]
function replies.attempts(event_id) return redis.call('LRANGE', keys.attempts(event_id), 0, -1) end

-- Name the replies that are due; they are due again after a while, unless they are sent until then.
-- step replies.sweep(limit, again_ms: number) -> [text]
function replies.sweep(limit, again_ms)
  local due = clock.due(keys.due_replies(), limit)
  for _, event_id in ipairs(due) do
    if redis.call('HGET', keys.reply(event_id), 'status') == 'pending' then
      redis.call('ZADD', keys.due_replies(), clock.now_ms + again_ms, event_id)
    else
      redis.call('ZREM', keys.due_replies(), event_id)
    end
  end
  return due
end

-- Read an event for a request that waits for its reply, and make that the sender of the reply if
-- there may be one, an address for it too, and no other sender.
-- step replies.wait(event_id, token, process) -> events.row?
function replies.wait(event_id, token, process)
  local status = redis.call('HGET', keys.event(event_id), 'status')
  if not status then return end
  local r = records.fields(keys.reply(event_id), 'status', 'lease', 'url')
  local is_open = status == 'queued' or status == 'delayed' or status == 'leased'
  local may_be_sent = (r.url or '') ~= '' and not r.lease
  if may_be_sent and (is_open or r.status == 'pending') then
    replies.give(event_id, token, process)
  end
  return events.row(event_id)
end

-- Wait no more: the reply goes to its address, and is due now if it is there already.
-- step replies.leave(event_id, token, may_have_arrived: bool) -> bool
function replies.leave(event_id, token, may_have_arrived)
  local r = replies.take_back(event_id, token)
  if not r or r.status ~= 'pending' then return false end
  if may_have_arrived then redis.call('HSET', keys.reply(event_id), 'unknown', 1) end
  redis.call('ZADD', keys.due_replies(), clock.now_ms, event_id)
  return true
end

return replies
