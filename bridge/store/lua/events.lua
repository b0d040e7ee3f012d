-- Events: one payload each that came in on a hook, until it is answered or its time is over.
--
-- An event stands in the inbox of its hook and status. `move` alone changes its status, so that the
-- record, the inboxes, the totals and the signals always agree.
local approvals = require 'approvals'
local clock = require 'clock'
local counters = require 'counters'
local keys = require 'keys'
local pauses = require 'pauses'
local questions = require 'questions'
local records = require 'records'
local signals = require 'signals'
local timeline = require 'timeline'
local events = {}

-- What every step returns of an event itself.
events.FIELDS = {
  'id', 'server', 'hook', 'status', 'attempt', 'received_at', 'order', 'media_type', 'summary',
  'reason', 'merged', 'execution', 'kept', 'trace',
}

-- What is to be read of an event that is moved.
events.MOVED = {'server', 'hook', 'status', 'order', 'call', 'timeline'}

-- When a reply is due that nobody has begun to bring: the process that took it may have died.
events.REPLY_DUE_MS = 2000

-- An event with its reply, but without its payload; `paused_at` says since when its hook is.
-- row events.row(event_id) -> {events.FIELDS, reply: events.reply, paused_at?}
function events.row(event_id)
  local row = redis.call('HMGET', keys.event(event_id), unpack(events.FIELDS))
  row[#row + 1], row[#row + 2] = events.reply(event_id), pauses.since(row[2], row[3])
  return row
end

-- The reply of an event: Claude's answer, and how far it is on its way to n8n.
-- row events.reply(event_id) -> {status, value?, attempts, last_failure?}
function events.reply(event_id)
  return redis.call('HMGET', keys.reply(event_id), 'status', 'value', 'attempts', 'last_failure')
end

-- Give an event, of which `MOVED` was read, another status, and other fields with it, and record
-- what happened. The oldest of the new inbox are looked at on the way: an event that has expired
-- leaves its inbox only so.
function events.move(event_id, e, status, what, details, ...)
  local event, inbox = keys.event(event_id), keys.inbox(e.server, e.hook, status)
  redis.call('ZREM', keys.inbox(e.server, e.hook, e.status), event_id)
  redis.call('ZADD', inbox, e.order, event_id)
  for _, oldest in ipairs(redis.call('ZRANGE', inbox, 0, 1)) do
    local is_there = oldest == event_id or redis.call('EXISTS', keys.event(oldest)) == 1
    if not is_there then redis.call('ZREM', inbox, oldest) end
  end
  redis.call('HSET', event, 'status', status,
    'timeline', timeline.longer(event, e.timeline or '', what, details), ...)
  questions.mark(event_id, e.call, status == 'queued' or status == 'delayed')
  counters.add(1, e.lease_class and 'lease' or 'events', e.server, e.hook, e.lease_class or status)
  signals.notify('events:' .. e.server)
  signals.notify('event:' .. event_id)
end

-- The oldest event of an inbox, and its order number as a number.
function events.oldest(inbox)
  while true do
    local id, order = unpack(redis.call('ZRANGE', inbox, 0, 0, 'WITHSCORES'))
    if not id or redis.call('EXISTS', keys.event(id)) == 1 then return id, tonumber(order) end
    redis.call('ZREM', inbox, id)
  end
end

-- The event that a claim is about, and whether the claim is to its newest lease.
function events.claimed(claim)
  local e = records.fields(keys.event(claim.event_id), 'lease', 'leased_by', 'holder', 'attempt',
    'max_attempts', 'settled_with', 'released_with', 'released_as', unpack(events.MOVED))
  if e.server ~= claim.server then return {status = 'unknown', is_mine = false} end
  e.is_mine = e.lease == claim.token and e.leased_by == claim.taker
  return e
end

-- May the newest lease still decide? Also once its time is over, until another takes the event.
function events.is_takers(status) return status == 'leased' or status == 'queued' end

-- Let a lease end: neither its time nor the death of its holder is of interest any more.
function events.end_lease(event_id, token, holder)
  redis.call('ZREM', keys.event_leases(), event_id)
  redis.call('SREM', keys.held(holder or ''), 'event ' .. event_id .. ' ' .. (token or ''))
end

-- The class of how long ago an event was taken; nil where its timeline does not tell.
function events.lease_class(e)
  local taken_at = timeline.last(e.timeline or '', 'taken')
  return taken_at and counters.class(clock.now_ms - taken_at)
end

-- When an event was taken last, in milliseconds since 1970; nil where its timeline does not tell.
-- step events.taken_at(event_id) -> int?
function events.taken_at(event_id)
  return timeline.last(redis.call('HGET', keys.event(event_id), 'timeline') or '', 'taken')
end

-- Why an event is not answered so: `lost`, or as approvals.refusal has it where it asks whether a
-- call may be run.
function events.refusal(claim, e, reply)
  local is_open = events.is_takers(e.status) or e.status == 'dead' and not reply.value
  if not e.is_mine or not is_open then return 'lost' end
  return approvals.refusal(claim.event_id, e.call, claim.taker)
end

-- Settle an event with its answer, which becomes its reply.
-- step events.answer(claim: {event_id, token, server, taker, origin}, value) -> {outcome, detail}
function events.answer(claim, value)
  local event_id, e = claim.event_id, events.claimed(claim)
  local reply = records.fields(keys.reply(event_id), 'value', 'status', 'url')
  if e.is_mine and e.settled_with == claim.token and reply.value == value then
    return {outcome = 'answered', detail = reply.status}
  end
  local refusal = events.refusal(claim, e, reply)
  if refusal then return {outcome = refusal, detail = e.status} end
  events.end_lease(event_id, claim.token, e.holder)
  e.lease_class = events.lease_class(e)
  events.move(event_id, e, 'answered', 'answered', {by = claim.taker, tool_use = claim.origin},
    'settled_with', claim.token)
  redis.call('ZREM', keys.event_deadlines(), event_id)
  local status = (reply.url or '') ~= '' and 'pending' or 'none'
  redis.call('HSET', keys.reply(event_id), 'value', value, 'status', status,
    'answered_at', clock.now_ms)
  if status == 'pending' then
    redis.call('ZADD', keys.due_replies(), clock.now_ms + events.REPLY_DUE_MS, event_id)
  end
  return {outcome = 'answered', detail = status}
end

-- Move the end of a lease.
-- step events.extend(claim: {event_id, token, server, taker}, seconds: number) -> {outcome, detail}
function events.extend(claim, seconds)
  local e = events.claimed(claim)
  if not e.is_mine or e.status ~= 'leased' then return {outcome = 'lost', detail = e.status} end
  local ends_at = clock.now_ms + seconds * 1000
  redis.call('ZADD', keys.event_leases(), ends_at, claim.event_id)
  local event, details = keys.event(claim.event_id), {by = claim.taker, seconds = seconds}
  redis.call('HSET', event,
    'timeline', timeline.longer(event, e.timeline or '', 'extended', details))
  return {outcome = 'extended', detail = clock.digits(ends_at)}
end

-- Expire the events whose time to be answered is over; n8n gets the default reply, if there is one.
-- step events.sweep_deadlines(limit) -> [text]
function events.sweep_deadlines(limit)
  local due = clock.due(keys.event_deadlines(), limit)
  for _, event_id in ipairs(due) do
    redis.call('ZREM', keys.event_deadlines(), event_id)
    if redis.call('EXISTS', keys.event(event_id)) == 1 then events.expire(event_id) end
  end
  return due
end

-- Expire one event, because nobody answered it in time or for another reason. A dead one stays
-- dead, but n8n need not wait for it any longer either.
function events.expire(event_id, reason)
  local e = records.fields(keys.event(event_id), 'holder', 'lease', unpack(events.MOVED))
  events.end_lease(event_id, e.lease, e.holder)
  local reply = records.fields(keys.reply(event_id), 'url', 'default')
  local default = reply.default ~= '' and reply.default or nil
  if e.status ~= 'dead' then
    events.move(event_id, e, 'expired', 'expired', {default_reply = default},
      'reason', reason or 'nobody answered in time')
  else
    timeline.add(keys.event(event_id), 'expired', {default_reply = default})
  end
  if not default then return end
  redis.call('HSET', keys.reply(event_id), 'value', default, 'answered_at', clock.now_ms)
  if reply.url ~= '' then
    redis.call('HSET', keys.reply(event_id), 'status', 'pending')
    redis.call('ZADD', keys.due_replies(), clock.now_ms, event_id)
  end
end

-- Read one event.
-- step events.read(event_id) -> events.row?
function events.read(event_id)
  return redis.call('EXISTS', keys.event(event_id)) == 1 and events.row(event_id)
end

-- Read one event, and how long ago it came, on Redis's clock.
-- step events.read_aged(event_id) -> {age_ms, event: events.row}?
function events.read_aged(event_id)
  local received_at = redis.call('HGET', keys.event(event_id), 'received_at')
  return received_at and {age_ms = clock.now_ms - received_at, event = events.row(event_id)}
end

-- Read the payload of an event as it came, and whose it is.
-- step events.read_body(event_id) -> {server, body, media_type}?
function events.read_body(event_id)
  local e = records.fields(keys.event(event_id), 'server', 'body', 'media_type')
  return e.server and e
end

-- Read a part of a file that came with an event, and how many bytes the whole has.
-- step events.read_file(event_id, number, first, last) -> {part, whole_bytes}
function events.read_file(event_id, number, first, last)
  local file = keys.file(event_id, number)
  local part = redis.call('GETRANGE', file, first, last)
  return {part = part, whole_bytes = redis.call('STRLEN', file)}
end

-- Read a page of each hook and status, behind an order number.
-- step events.list(server, hooks: json, statuses: json, after, limit) -> [events.row]
function events.list(server, hooks, statuses, after, limit)
  local rows = {}
  for _, hook in ipairs(hooks) do
    for _, status in ipairs(statuses) do
      for _, event_id in ipairs(events.page(keys.inbox(server, hook, status), after, limit)) do
        rows[#rows + 1] = events.row(event_id)
      end
    end
  end
  return rows
end

-- The first living events of an inbox behind an order number; the others leave it, so that no page
-- is short because of them.
function events.page(inbox, after, limit)
  while true do
    local found = redis.call('ZRANGEBYSCORE', inbox, '(' .. after, '+inf', 'LIMIT', 0, limit)
    local gone = {}
    for _, event_id in ipairs(found) do
      if redis.call('EXISTS', keys.event(event_id)) == 0 then gone[#gone + 1] = event_id end
    end
    if #gone == 0 then return found end
    redis.call('ZREM', inbox, unpack(gone))
  end
end

return events
