-- Outcomes: how a run ends, by its worker, by n8n's callback, by its caller, or by a death. What a
-- call leaves others may wait for: whoever takes a step that says so passes it on.
local calls = require 'calls'
local keys = require 'keys'
local runs = require 'runs'
local timeline = require 'timeline'
local outcomes = {}

-- End a call with what its worker was answered; the same end again is done already. Not done: it
-- was cancelled or taken over, and nothing changes.
-- step outcomes.finish(call_id, token, status, result, file, failure, blame)
--   -> {is_done: bool, others_wait: bool}
function outcomes.finish(call_id, token, status, result, file, failure, blame)
  local c = runs.read(call_id)
  if c.settled_with == token then return {is_done = true, others_wait = runs.has_waiting(c)} end
  if c.status ~= 'running' or c.lease ~= token then return {} end
  redis.call('SET', keys.result(call_id), result, 'EX', c.ttl_s)
  if file ~= '' then redis.call('SET', keys.result_file(call_id), file, 'EX', c.ttl_s) end
  c.file_bytes = #file
  return {is_done = true, others_wait = runs.finish(call_id, c, status, failure, blame, token)}
end

-- End an open call with what its callback said; the same end again is taken like the first.
-- step outcomes.conclude(call_id, secret, status, result, failure)
--   -> {outcome, status?, others_wait: bool}
function outcomes.conclude(call_id, secret, status, result, failure)
  if not calls.proves(call_id, secret) then return {outcome = 'unknown'} end
  local c = runs.read(call_id)
  local is_same = c.settled_with == 'callback' and c.status == status and c.failure == failure
  if is_same and redis.call('GET', keys.result(call_id)) == result then
    return {outcome = 'taken', status = status, others_wait = runs.has_waiting(c)}
  end
  if c.status ~= 'running' and c.status ~= 'queued' then
    return {outcome = 'ended', status = c.status}
  end
  redis.call('SET', keys.result(call_id), result, 'EX', c.ttl_s)
  local others_wait = runs.finish(call_id, c, status, failure, '', 'callback')
  return {outcome = 'taken', status = status, others_wait = others_wait}
end

-- Cancel an open call; its worker finds its lease gone. There is no result to hand over.
-- step outcomes.cancel(call_id, failure) -> {is_done: bool, others_wait: bool}
function outcomes.cancel(call_id, failure)
  local c = runs.read(call_id)
  if c.status ~= 'queued' and c.status ~= 'running' then return {} end
  redis.call('HSET', keys.call(call_id), 'handed_over', 1)
  return {is_done = true, others_wait = runs.finish(call_id, c, 'cancelled', failure, '', '')}
end

-- Queue a running call again that an operator takes from its worker, where it was not sent or may
-- run twice; one that is followed, or may not run twice, goes on.
-- step outcomes.take_back(call_id, by) -> {is_done: bool, others_wait: bool}
function outcomes.take_back(call_id, by)
  local c = runs.read(call_id)
  local is_repeatable = c.idempotent == '1' and tonumber(c.attempt) < tonumber(c.max_attempts)
  local is_followed = c.execution or c.awaited_by
  if c.status ~= 'running' or is_followed or c.sent_at and not is_repeatable then return {} end
  runs.take_back(call_id, c)
  if not c.sent_at then c.attempt = c.attempt - 1 end
  c.timeline = timeline.longer(keys.call(call_id), c.timeline or '', 'released', {by = by})
  return {is_done = true, others_wait = runs.requeue(call_id, c, 0)}
end

-- Cancel a call that nobody waits for and that was never sent; an equal one runs anew.
-- step outcomes.drop(call_id, failure) -> {is_done: bool, others_wait: bool}
function outcomes.drop(call_id, failure)
  local c = runs.read(call_id)
  if c.status ~= 'queued' or c.sent_at then return {} end
  c.attach_ms = 0
  return {is_done = true, others_wait = runs.finish(call_id, c, 'cancelled', failure, '', '')}
end

-- Queue a call again after a while. One that surely did not run costs no attempt and was not sent.
-- step outcomes.park(call_id, token, delay_ms: number, ran: bool, failure)
--   -> {is_done: bool, others_wait: bool}
function outcomes.park(call_id, token, delay_ms, ran, failure)
  local call, c = keys.call(call_id), runs.held(call_id, token)
  if not c then return {} end
  runs.take_back(call_id, c)
  if not ran then
    redis.call('HDEL', call, 'sent_at')
    c.attempt = c.attempt - 1
  end
  redis.call('HDEL', call, 'execution')
  redis.call('HSET', call, 'failure', failure)
  local details = {reason = failure, delay_s = delay_ms / 1000, counted = ran}
  c.timeline = timeline.longer(call, c.timeline or '', 'parked', details)
  return {is_done = true, others_wait = runs.requeue(call_id, c, delay_ms)}
end

-- Give a dead worker's call to others if it was not sent, is known to be followed, or may be run
-- twice; else it has failed.
-- step outcomes.abandon(call_id, token, failure) -> {is_done: bool, others_wait: bool}
function outcomes.abandon(call_id, token, failure)
  local c = runs.held(call_id, token)
  if not c then return {} end
  local is_unsent = c.execution or not c.sent_at
  local is_repeatable = c.idempotent == '1' and tonumber(c.attempt) < tonumber(c.max_attempts)
  local lines = c.timeline or ''
  c.timeline = timeline.longer(keys.call(call_id), lines, 'abandoned', {by = c.holder})
  if not is_unsent and not is_repeatable then
    return {is_done = true, others_wait = runs.finish(call_id, c, 'failed', failure, 'bridge', '')}
  end
  runs.take_back(call_id, c)
  if is_unsent then c.attempt = c.attempt - 1 end
  return {is_done = true, others_wait = runs.requeue(call_id, c, 0)}
end

return outcomes
