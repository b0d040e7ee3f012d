-- How what operators watch stands: whoever reads it twice can tell whether it has changed.
--
-- Not every change is signalled, and the steps that change things may not signal more. So this is
-- read again and again while somebody watches, and costs the same however many records there are.
local clock = require 'clock'
local keys = require 'keys'
local changes = {}

-- How the lists of events, calls and replies stand: every total, the last order number, how many
-- calls are due and how many run, and which replies are due first and last.
-- step changes.lists() -> {counted: [text], order, due_calls, running, due_replies: [text]}
function changes.lists()
  local replies = keys.due_replies()
  local first = redis.call('ZRANGE', replies, 0, 0, 'WITHSCORES')
  local last = redis.call('ZRANGE', replies, -1, -1, 'WITHSCORES')
  return {
    counted = redis.call('HGETALL', keys.counters()), order = clock.digits(clock.last_order),
    due_calls = redis.call('ZCARD', keys.due_calls()), running = redis.call('ZCARD', keys.placed()),
    due_replies = {first[1] or '', first[2] or '', last[1] or '', last[2] or ''},
  }
end

-- How an event stands, with its reply and what has happened to it last.
-- step changes.event(event_id) -> [text]
function changes.event(event_id)
  local stand = changes.record(keys.event(event_id), 'status', 'attempt', 'merged')
  local reply = redis.call('HMGET', keys.reply(event_id), 'status', 'attempts', 'last_failure')
  for _, value in ipairs(reply) do stand[#stand + 1] = value or '' end
  return stand
end

-- How a call stands, likewise, with how many questions are open in the middle of it.
-- step changes.call(call_id) -> [text]
function changes.call(call_id)
  local stand = changes.record(keys.call(call_id), 'status', 'attempt', 'message')
  stand[#stand + 1] = tostring(redis.call('ZCARD', keys.questions(call_id)))
  return stand
end

-- Some fields of a record, how many lines its timeline has lost, and what it ends with.
function changes.record(key, ...)
  local stand = redis.call('HMGET', key, 'left_out', 'timeline', ...)
  stand[2] = (stand[2] or ''):sub(-200)
  for i, value in ipairs(stand) do stand[i] = value or '' end
  return stand
end

return changes
