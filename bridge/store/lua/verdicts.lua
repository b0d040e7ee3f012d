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
-- time for that is over, which has `within_ms`, `stands` how it stands: `waiting`, `approved`,
-- `refused` or `expired`.
function verdicts.call(call_id)
  local c = records.of_lists(keys.call(call_id), runs.FIELDS,
    {'verdict', 'verdict_token', 'approval_timeout_ms', 'approval_event'})
  if not c.approval then return c end
  local asked = cjson.decode(c.approval)
  c.digest, c.within_ms = asked.digest, asked.within_ms
  c.ends_at = (asked.asked_at or c.created_at) + asked.within_ms
  c.stands = c.verdict and cjson.decode(c.verdict).status or 'waiting'
  return c
end

-- Record who has decided what, and why, and in the field `mark` when; or return why it does not
-- count: `unknown`, `none` where nothing must be approved, `ended`, `changed` where something else
-- was seen, `late`, or how it was decided before. One that was taken already is `done`. A verdict
-- that was given at an earlier moment says so.
function verdicts.decide(verdict, c, status, mark)
  if not c.approval then return c.status and 'none' or 'unknown' end
  if c.verdict_token == verdict.token then return 'done' end
  if c.stands ~= 'waiting' then return c.stands end
  if c.status ~= 'queued' then return 'ended' end
  if c.digest ~= verdict.digest then return 'changed' end
  if c.ends_at <= (tonumber(verdict.at_ms) or clock.now_ms) then return 'late' end
  local call, decided = keys.call(verdict.call_id), {by = verdict.by, reason = verdict.reason}
  c.timeline = timeline.longer(call, c.timeline or '', status, decided)
  decided.status, decided.at_ms = status, clock.now_ms
  redis.call('HSET', call, mark, clock.now_ms, 'verdict', cjson.encode(decided),
    'verdict_token', verdict.token, 'updated_at', clock.now_ms, 'timeline', c.timeline)
end

-- Approve of a call: it is due now, and its time begins with its first attempt. Here and below it
-- is looked at until what a hook was asked about it is set aside. `outcome` is `done`, or why not.
-- step verdicts.approve(verdict: {call_id, digest, by, reason, token, at_ms}) -> {outcome}
function verdicts.approve(verdict)
  local call, c = keys.call(verdict.call_id), verdicts.call(verdict.call_id)
  local refusal = verdicts.decide(verdict, c, 'approved', 'approved_at')
  if refusal then return {outcome = refusal} end
  redis.call('HSET', call, 'timeout_ms', c.approval_timeout_ms)
  redis.call('EXPIRE', call, calls.life_s(c.ttl_s, c.approval_timeout_ms))
  redis.call('ZADD', keys.approvals(), 'XX', clock.now_ms, verdict.call_id)
  redis.call('ZADD', keys.due_calls(), clock.now_ms, verdict.call_id)
  signals.notify('due_calls')
  signals.notify('call:' .. verdict.call_id)
  return {outcome = 'done'}
end

-- Refuse a call, which has failed by that.
-- step verdicts.refuse(verdict: {call_id, digest, by, reason, token, at_ms}, failure)
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
    'approved_at', 'approval_event', 'verdict', 'verdict_token')
  redis.call('HSET', call, 'status', 'queued', 'attempt', c.attempt - 1, 'promised', 1,
    'updated_at', clock.now_ms, 'approval', cjson.encode(asked),
    'approval_timeout_ms', new.timeout_ms,
    'timeline', timeline.longer(call, c.timeline or '', 'held'))
  redis.call('EXPIRE', call, calls.life_s(c.ttl_s, new.timeout_ms + new.approval_ms))
  redis.call('ZADD', keys.approvals(), clock.now_ms, call_id)
  signals.notify('call:' .. call_id)
  return {is_done = true, others_wait = runs.make_room(call_id, c)}
end

-- List calls that wait for their approval, those first that are looked at first, until their
-- arguments are that long together.
-- step verdicts.waiting(limit: number, bytes_max: number) -> [calls.find]
function verdicts.waiting(limit, bytes_max)
  local rows, bytes = {}, 0
  for _, call_id in ipairs(redis.call('ZRANGE', keys.approvals(), 0, limit - 1)) do
    local found = calls.find(call_id)
    if found.status == 'queued' and approvals.bars(found) then
      rows[#rows + 1], bytes = found, bytes + #found.arguments
    end
    if bytes >= bytes_max then break end
  end
  return rows
end

-- Look at calls that wait for their approval: those whose time for that is over, and those for
-- which a hook is to be asked, or was; and at those that wait no more, for what a hook was asked is
-- to be set aside. Each again after a while, unless it rests. `within_ms` is how long the whole
-- time is.
-- step verdicts.due(limit, again_ms: number)
--   -> [{call_id, is_decided: bool, is_over: bool, event_id?, within_ms: int}]
function verdicts.due(limit, again_ms)
  local rows = {}
  for _, call_id in ipairs(clock.due(keys.approvals(), limit)) do
    local c = verdicts.call(call_id)
    local is_decided = c.status ~= 'queued' or c.stands ~= 'waiting'
    local is_over = not is_decided and c.ends_at <= clock.now_ms and not verdicts.is_answered(c)
    local rests = not is_decided and not is_over and not c.approval:find('"asks":"hook ', 1, true)
    redis.call('ZADD', keys.approvals(), rests and c.ends_at or clock.now_ms + again_ms, call_id)
    if not rests then
      rows[#rows + 1] = {call_id = call_id, is_decided = is_decided, is_over = is_over,
        event_id = c.approval_event, within_ms = c.within_ms or 0}
    end
  end
  return rows
end

-- Was what a hook was asked answered in time? That counts, whenever it is looked at.
function verdicts.is_answered(c)
  if not c.approval_event then return false end
  local is_answered = redis.call('HGET', keys.event(c.approval_event), 'status') == 'answered'
  local at = redis.call('HGET', keys.reply(c.approval_event), 'answered_at')
  return is_answered and tonumber(at) < c.ends_at
end

-- Have an event ask whether a call may be run that waits for that, and for which none does; the
-- event is made next. Returns the one that asks, if it may be open.
-- step verdicts.ask(call_id, event_id) -> text?
function verdicts.ask(call_id, event_id)
  local c = verdicts.call(call_id)
  if c.status ~= 'queued' or c.stands ~= 'waiting' then return end
  if not c.approval_event then
    redis.call('HSET', keys.call(call_id), 'approval_event', event_id)
  end
  return c.approval_event or event_id
end

-- Read how the event stands that asks whether a call may be run. While it is open the call is
-- looked at no more before the event is moved, or its time is over; where none asks, in a minute.
-- step verdicts.asked(call_id, event_id)
--   -> {is_decided: bool, status?, leased_by?, reason?, reply?, answered_at?: int}
function verdicts.asked(call_id, event_id)
  local e = records.fields(keys.event(event_id), 'status', 'leased_by', 'reason')
  local c = verdicts.call(call_id)
  e.is_decided = c.status ~= 'queued' or c.stands ~= 'waiting'
  if e.is_decided then return e end
  local is_open = e.status == 'queued' or e.status == 'delayed' or e.status == 'leased'
  local at = is_open and c.ends_at or event_id == '' and math.min(clock.now_ms + 60000, c.ends_at)
  if at then redis.call('ZADD', keys.approvals(), 'XX', at, call_id) end
  local reply = records.fields(keys.reply(event_id), 'value', 'answered_at')
  e.reply, e.answered_at = reply.value, reply.answered_at
  return e
end

return verdicts
