-- Questions: events that n8n sends in the middle of a call, to be answered before the call goes on.
local approvals = require 'approvals'
local clock = require 'clock'
local keys = require 'keys'
local records = require 'records'
local signals = require 'signals'
local questions = {}

-- Why an event is refused that names this call as the one in whose middle it is asked; nil if not.
function questions.refusal(call_id, server)
  if call_id == '' then return end
  local call = records.fields(keys.call(call_id), 'server', 'status')
  if call.server ~= server then return {outcome = 'no call'} end
  if call.status ~= 'queued' and call.status ~= 'running' then
    return {outcome = 'call ended', detail = call.status}
  end
end

-- Record that a question was opened or closed, after the event was written; those who wait for its
-- call look at it then, and where the call waits for its approval, whoever asked for that.
function questions.mark(event_id, call_id, is_open)
  if not call_id or call_id == '' or redis.call('EXISTS', keys.call(call_id)) == 0 then return end
  local open = keys.questions(call_id)
  redis.call('ZREM', open, event_id)
  if is_open then
    redis.call('ZADD', open, redis.call('HGET', keys.event(event_id), 'order'), event_id)
    redis.call('EXPIRE', open, redis.call('TTL', keys.call(call_id)))
  end
  redis.call('ZADD', keys.approvals(), 'XX', clock.now_ms, call_id)
  redis.call('HSET', keys.call(call_id), 'updated_at', clock.now_ms)
  signals.notify('call:' .. call_id)
end

-- A question as the one who waits for its call sees it.
-- row questions.row(event_id) -> {id, hook, status, body, media_type}
function questions.row(event_id)
  return redis.call('HMGET', keys.event(event_id), 'id', 'hook', 'status', 'body', 'media_type')
end

-- The open questions of an open call, the oldest 20 of them. Whether it may be run at all is none:
-- that is for others to answer than who waits for the call.
function questions.open(call_id)
  local c, rows = records.fields(keys.call(call_id), 'status', 'approval', 'approved_at'), {}
  if c.status ~= 'queued' and c.status ~= 'running' or approvals.bars(c) then return rows end
  for _, event_id in ipairs(redis.call('ZRANGE', keys.questions(call_id), 0, 19)) do
    if redis.call('EXISTS', keys.event(event_id)) == 1 then
      rows[#rows + 1] = questions.row(event_id)
    end
  end
  return rows
end

return questions
