-- Outcomes: how a run ends, by its worker, by n8n's callback, by its caller, or by a death.
local calls = require 'calls'
local clock = require 'clock'
local keys = require 'keys'
local runs = require 'runs'
local timeline = require 'timeline'
local outcomes = {}

-- End a call with what its worker was answered; the same end again is done already. False: it was
-- cancelled or taken over, and nothing changes.
-- step outcomes.finish(call_id, token, status, result, file, failure, blame) -> bool
function outcomes.finish(call_id, token, status, result, file, failure, blame)
  local c = runs.read(call_id)
  if c.settled_with == token then return true end
  if c.status ~= 'running' or c.lease ~= token then return false end
  runs.take_back(call_id, c)
  redis.call('SET', keys.result(call_id), result, 'EX', c.ttl_s)
  if file ~= '' then redis.call('SET', keys.result_file(call_id), file, 'EX', c.ttl_s) end
  runs.finish(call_id, c, status, failure, blame)
  redis.call('HSET', keys.call(call_id), 'settled_with', token)
  return true
end

-- End an open call with what its callback said; the same end again is taken like the first.
-- step outcomes.conclude(call_id, secret, status, result, failure) -> {outcome, status?}
function outcomes.conclude(call_id, secret, status, result, failure)
  if not calls.proves(call_id, secret) then return {outcome = 'unknown'} end
  local c = runs.read(call_id)
  local is_same = c.settled_with == 'callback' and c.status == status and c.failure == failure
  if is_same and redis.call('GET', keys.result(call_id)) == result then
    return {outcome = 'taken', status = status}
  end
  if c.status ~= 'running' and c.status ~= 'queued' then
    return {outcome = 'ended', status = c.status}
  end
  runs.take_back(call_id, c)
  redis.call('SET', keys.result(call_id), result, 'EX', c.ttl_s)
  runs.finish(call_id, c, status, failure, '')
  redis.call('HSET', keys.call(call_id), 'settled_with', 'callback')
  return {outcome = 'taken', status = status}
end

-- Cancel an open call; its worker finds its lease gone. There is no result to hand over.
-- step outcomes.cancel(call_id, failure) -> bool
function outcomes.cancel(call_id, failure)
  local c = runs.read(call_id)
  if c.status ~= 'queued' and c.status ~= 'running' then return false end
  runs.take_back(call_id, c)
  runs.finish(call_id, c, 'cancelled', failure, '')
  redis.call('HSET', keys.call(call_id), 'handed_over', clock.now_ms)
  return true
end

-- Queue a call again after a while. One that surely did not run costs no attempt and was not sent.
-- step outcomes.park(call_id, token, delay_ms: number, ran: bool, failure) -> bool
function outcomes.park(call_id, token, delay_ms, ran, failure)
  local call, c = keys.call(call_id), runs.held(call_id, token)
  if not c then return false end
  runs.take_back(call_id, c)
  if not ran then
    redis.call('HDEL', call, 'sent_at')
    redis.call('HINCRBY', call, 'attempt', -1)
  end
  redis.call('HDEL', call, 'execution')
  redis.call('HSET', call, 'failure', failure)
  timeline.add(call, 'parked', {reason = failure, delay_s = delay_ms / 1000, counted = ran})
  runs.requeue(call_id, c, delay_ms)
  return true
end

-- Give a dead worker's call to others if it was not sent, is known to be followed, or may be run
-- twice; else it has failed.
-- step outcomes.abandon(call_id, token, failure) -> nothing
function outcomes.abandon(call_id, token, failure)
  local c = runs.held(call_id, token)
  if not c then return end
  runs.take_back(call_id, c)
  timeline.add(keys.call(call_id), 'abandoned', {by = c.holder})
  if c.execution or not c.sent_at then
    redis.call('HINCRBY', keys.call(call_id), 'attempt', -1)
    runs.requeue(call_id, c, 0)
  elseif c.idempotent == '1' and tonumber(c.attempt) < tonumber(c.max_attempts) then
    runs.requeue(call_id, c, 0)
  else
    runs.finish(call_id, c, 'failed', failure, 'bridge')
  end
end

return outcomes
