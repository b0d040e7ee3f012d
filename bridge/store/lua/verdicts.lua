-- Verdicts: how a call that waits for approval goes on, or ends.
local approvals = require 'approvals'
local calls = require 'calls'
local clock = require 'clock'
local keys = require 'keys'
local records = require 'records'
local runs = require 'runs'
local signals = require 'signals'
local timeline = require 'timeline'
local verdicts = {}

-- A call as a verdict on it is decided by, and what must be approved of it: `ends_at` is when the
-- time for that is over, `stands` how it stands: `waiting`, `approved`, `refused` or `expired`.
function verdicts.call(call_id)
  local c = records.of_lists(keys.call(call_id), runs.FIELDS,
    {'verdict', 'verdict_token', 'approval_timeout_ms', 'approval_event'})
  if not c.approval then return c end
  local asked = cjson.decode(c.approval)
  c.digest, c.ends_at = asked.digest, (asked.asked_at or c.created_at) + asked.within_ms
  c.stands = c.verdict and cjson.decode(c.verdict).status or 'waiting'
  return c
end

-- Record who has decided what, and why, and in the field `mark` when; or return why it does not
-- count: `unknown`, `none` where nothing must be approved, `ended`, `changed` where something else
-- was seen, `late`, or how it was decided before. One that was taken already is `done`.
function verdicts.decide(verdict, c, status, mark)
  if not c.approval then return c.status and 'none' or 'unknown' end
  if c.verdict_token == verdict.token then return 'done' end
  if c.stands ~= 'waiting' then return c.stands end
  if c.status ~= 'queued' then return 'ended' end
  if c.digest ~= verdict.digest then return 'changed' end
  if c.ends_at <= clock.now_ms then return 'late' end
  local call, decided = keys.call(verdict.call_id), {by = verdict.by, reason = verdict.reason}
  c.timeline = timeline.longer(call, c.timeline or '', status, decided)
  decided.status, decided.at_ms = status, clock.now_ms
  redis.call('HSET', call, mark, clock.now_ms, 'verdict', cjson.encode(decided),
    'verdict_token', verdict.token, 'updated_at', clock.now_ms, 'timeline', c.timeline)
end

-- Approve of a call: it is due now, and its time begins with its first attempt. `outcome` is
-- `done`, or why not.
-- step verdicts.approve(verdict: {call_id, digest, by, reason, token}) -> {outcome}
function verdicts.approve(verdict)
  local call, c = keys.call(verdict.call_id), verdicts.call(verdict.call_id)
  local refusal = verdicts.decide(verdict, c, 'approved', 'approved_at')
  if refusal then return {outcome = refusal} end
  redis.call('HSET', call, 'timeout_ms', c.approval_timeout_ms)
  redis.call('EXPIRE', call, calls.life_s(c.ttl_s, c.approval_timeout_ms))
  redis.call('ZREM', keys.approvals(), verdict.call_id)
  redis.call('ZADD', keys.due_calls(), clock.now_ms, verdict.call_id)
  signals.notify('due_calls')
  signals.notify('call:' .. verdict.call_id)
  return {outcome = 'done'}
end

-- Refuse a call, which has failed by that.
-- step verdicts.refuse(verdict: {call_id, digest, by, reason, token}, failure)
--   -> {outcome, others_wait: bool}
function verdicts.refuse(verdict, failure)
  local call_id, c = verdict.call_id, verdicts.call(verdict.call_id)
  local refusal = verdicts.decide(verdict, c, 'refused', 'unapproved')
  if refusal then return {outcome = refusal} end
  return {outcome = 'done', others_wait = runs.finish(call_id, c, 'failed', failure, '', '')}
end

-- End a call that nobody has decided about. Does anybody wait for what it leaves?
-- step verdicts.lapse(call_id, failure) -> {is_done: bool, others_wait: bool}
function verdicts.lapse(call_id, failure)
  local c = verdicts.call(call_id)
  if c.status ~= 'queued' or c.stands ~= 'waiting' then return {} end
  local verdict = cjson.encode({status = 'expired'})
  redis.call('HSET', keys.call(call_id), 'verdict', verdict, 'unapproved', clock.now_ms)
  return {is_done = true, others_wait = runs.finish(call_id, c, 'failed', failure, '', '')}
end

-- Have a running call wait for its approval that was begun without one, by a version or a server
-- file that asks for none. Nothing of it has left under this lease.
-- step verdicts.hold(call_id, token, new: {approval, approval_ms: number, timeout_ms: number})
--   -> {is_done: bool, others_wait: bool}
function verdicts.hold(call_id, token, new)
  local call, c, asked = keys.call(call_id), runs.held(call_id, token), cjson.decode(new.approval)
  if not c or c.execution then return {} end
  asked.asked_at = clock.now_ms
  runs.take_back(call_id, c)
  redis.call('HDEL', call, 'sent_at', 'sent_with', 'timeout_ms', 'started_at',
    'approved_at', 'verdict', 'verdict_token')
  redis.call('HSET', call, 'status', 'queued', 'attempt', c.attempt - 1, 'promised', 1,
    'updated_at', clock.now_ms, 'approval', cjson.encode(asked),
    'approval_timeout_ms', new.timeout_ms,
    'timeline', timeline.longer(call, c.timeline or '', 'held'))
  redis.call('EXPIRE', call, calls.life_s(c.ttl_s, new.timeout_ms + new.approval_ms))
  redis.call('ZADD', keys.approvals(), clock.now_ms, call_id)
  signals.notify('call:' .. call_id)
  return {is_done = true, others_wait = runs.make_room(call_id, c)}
end

-- List calls that wait for their approval, those first that are looked at first.
-- step verdicts.waiting(limit: number) -> [calls.find]
function verdicts.waiting(limit)
  local rows = {}
  for _, call_id in ipairs(redis.call('ZRANGE', keys.approvals(), 0, limit - 1)) do
    local found = calls.find(call_id)
    if found.status == 'queued' and approvals.bars(found) then rows[#rows + 1] = found end
  end
  return rows
end

-- Look at calls that wait for their approval: those whose time for that is over, and those for
-- which a hook is to be asked, or was; each again after a while, unless it has ended by then, or
-- rests.
-- step verdicts.due(limit, again_ms: number) -> [{call_id, is_over: bool, event_id?}]
function verdicts.due(limit, again_ms)
  local rows = {}
  for _, call_id in ipairs(clock.due(keys.approvals(), limit)) do
    local c = verdicts.call(call_id)
    local is_over = c.ends_at and c.ends_at <= clock.now_ms
    if c.status ~= 'queued' or c.stands ~= 'waiting' then
      redis.call('ZREM', keys.approvals(), call_id)
    elseif not is_over and not c.approval:find('"asks":"hook ', 1, true) then
      redis.call('ZADD', keys.approvals(), c.ends_at, call_id)
    else
      redis.call('ZADD', keys.approvals(), clock.now_ms + again_ms, call_id)
      rows[#rows + 1] = {call_id = call_id, is_over = is_over, event_id = c.approval_event}
    end
  end
  return rows
end

-- Record which event asks whether a call may be run, and read how it stands. While it is open the
-- call is looked at no more before the event is moved, or its time is over.
-- step verdicts.asked(call_id, event_id) -> {status?, leased_by?, reason?, reply?}
function verdicts.asked(call_id, event_id)
  local e = records.fields(keys.event(event_id), 'status', 'leased_by', 'reason')
  local c = verdicts.call(call_id)
  if c.status ~= 'queued' or c.stands ~= 'waiting' then return e end
  redis.call('HSET', keys.call(call_id), 'approval_event', event_id)
  local is_open = e.status == 'queued' or e.status == 'delayed' or e.status == 'leased'
  redis.call('ZADD', keys.approvals(), 'XX', is_open and c.ends_at or clock.now_ms, call_id)
  e.reply = redis.call('HGET', keys.reply(event_id), 'value')
  return e
end

return verdicts
