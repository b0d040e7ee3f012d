-- Questions: events that n8n sends in the middle of a call, to be answered before the call goes on.
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
-- call look at it then.
function questions.mark(event_id, call_id, is_open)
  if not call_id or call_id == '' or redis.call('EXISTS', keys.call(call_id)) == 0 then return end
  local open = keys.questions(call_id)
  if is_open then
    redis.call('ZADD', open, redis.call('HGET', keys.event(event_id), 'order'), event_id)
    redis.call('EXPIRE', open, redis.call('TTL', keys.call(call_id)))
  else
    redis.call('ZREM', open, event_id)
  end
  redis.call('HSET', keys.call(call_id), 'updated_at', clock.now_ms)
  signals.notify('call:' .. call_id)
end

return questions
