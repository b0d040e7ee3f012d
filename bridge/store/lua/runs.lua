-- Runs: a call in the hands of a worker, which holds its lease, and how the run ends.
local approvals = require 'approvals'
local calls = require 'calls'
local clock = require 'clock'
local counters = require 'counters'
local keys = require 'keys'
local places = require 'places'
local processes = require 'processes'
local records = require 'records'
local shares = require 'shares'
local signals = require 'signals'
local timeline = require 'timeline'
local runs = {}

-- What the steps of a run decide by.
runs.FIELDS = {
  'status', 'lease', 'holder', 'attempt', 'max_attempts', 'idempotent', 'sent_at', 'sent_with',
  'ttl_s', 'server', 'principal', 'workflow', 'created_at', 'attach', 'attach_ms', 'attach_use',
  'settled_with', 'execution', 'concurrency', 'failure', 'timeout_ms', 'awaited_by', 'timeline',
  'share', 'approval', 'approved_at',
}

-- What a worker is given of a call, beside what every step returns of one, and is decided by then.
runs.LEASED = {
  'lease', 'ttl_s', 'concurrency', 'rate_count', 'sends_at', 'waited_at', 'promised', 'timeout_ms',
  'started_at', 'secret', 'timeline', 'sent_with', 'rests_since', 'share', 'approved_at', 'asker',
}

-- A call, as the steps of a run read it.
function runs.read(call_id) return records.fields(keys.call(call_id), unpack(runs.FIELDS)) end

-- The call, if a token is the lease under which it runs; nil for a worker that has lost it.
function runs.held(call_id, token)
  local c = runs.read(call_id)
  return c.status == 'running' and c.lease == token and c or nil
end

-- Have its worker answer for a call no longer, if it has one.
function runs.release(call_id, c)
  if c.holder then
    redis.call('SREM', keys.held(c.holder), 'call ' .. call_id .. ' ' .. (c.lease or ''))
  end
end

-- Take a call from its worker, if it has one, and leave it open.
function runs.take_back(call_id, c)
  runs.release(call_id, c)
  redis.call('HDEL', keys.call(call_id), 'lease', 'holder')
end

-- Leave slot, place and part of a share of a call, or its turn for them. Does anybody wait for one?
-- What it counted for a rate stays.
function runs.make_room(call_id, c)
  redis.call('ZREM', keys.slots(c.server, c.workflow), call_id)
  places.leave(call_id, c)
  if c.share then
    redis.call('ZREM', keys.share_held(c.server, c.workflow, c.principal), call_id)
  end
  if c.status == 'queued' then
    redis.call('ZREM', keys.turns(c.server, c.workflow), call_id)
    redis.call('ZREM', keys.placeless(c.server), call_id)
  end
  return runs.has_waiting(c)
end

-- Does any call wait for its turn in this workflow, for its principal's share or for a place?
function runs.has_waiting(c)
  return redis.call('EXISTS', keys.turns(c.server, c.workflow), keys.placeless_servers(),
    keys.share_line(c.server, c.workflow, c.principal)) > 0
end

-- Let an equal call join this one, which is open and so the one that its digests lead to, for so
-- long.
function runs.joinable_for(c, ms)
  for _, digest in ipairs({c.attach or '', c.attach_use or ''}) do
    if digest ~= '' then redis.call('PEXPIRE', keys.attach(digest), ms) end
  end
end

-- End an open call for good; `blame` says whose fault a failure is, `by` who ended it. Does anybody
-- wait for what it leaves? Of one that waited for its approval, the question about that is left to
-- whoever looks after those.
function runs.finish(call_id, c, status, failure, blame, by)
  local call = keys.call(call_id)
  redis.call('HSET', call, 'status', status, 'failure', failure, 'blame', blame, 'settled_with', by,
    'finished_at', clock.now_ms, 'updated_at', clock.now_ms, 'file_bytes', c.file_bytes or 0,
    'timeline', timeline.longer(call, c.timeline or '', status, {reason = failure}))
  if clock.now_ms - c.created_at > tonumber(c.timeout_ms or 0) then
    redis.call('EXPIRE', call, 2 * c.ttl_s)
  end
  if c.status == 'queued' or c.awaited_by then redis.call('ZREM', keys.due_calls(), call_id) end
  if approvals.bars(c) then redis.call('ZADD', keys.approvals(), 'XX', clock.now_ms, call_id) end
  runs.release(call_id, c)
  runs.joinable_for(c, c.attach_ms)
  local took_ms, attempts = clock.now_ms - c.created_at, math.min(c.attempt, 20)
  counters.add(1, 'ended', c.server, c.workflow, status, attempts, counters.class(took_ms))
  counters.add(took_ms, 'call_ms', c.server, c.workflow)
  signals.notify('call:' .. call_id)
  return runs.make_room(call_id, c)
end

-- Queue a call again. Does anybody wait for what it leaves?
function runs.requeue(call_id, c, delay_ms)
  redis.call('HSET', keys.call(call_id), 'status', 'queued', 'updated_at', clock.now_ms,
    'attempt', c.attempt, 'timeline', c.timeline)
  redis.call('ZADD', keys.due_calls(), clock.now_ms + delay_ms, call_id)
  signals.notify('call:' .. call_id)
  return runs.make_room(call_id, c)
end

-- Take a queued call to run it, or one that waits for a callback to look after it; nothing if it is
-- neither. Where it cannot be run as it is, `lacks` says what it lacks: an `approval`, `wanting`,
-- `resuming`, a part of its `share`, a `turn` or a `place`. With `sends` bytes leave at once.
-- step runs.lease(run: {call_id, token, process, unwaited_ms: number, places: number, sends: bool})
--   -> {lacks, is_sent: bool, elapsed_ms, secret, asker?, call: calls.find}?
function runs.lease(run)
  local call_id = run.call_id
  local c = records.of_lists(keys.call(call_id), calls.FIELDS, runs.LEASED)
  if c.status == 'queued' then
    local why = approvals.bars(c) and 'approval' or runs.lacks(run, c)
    if why then return {lacks = why, elapsed_ms = 0, secret = '', call = calls.seen(call_id, c)} end
    runs.start(run, c)
  elseif c.status == 'running' and not c.lease and c.awaited_by then
    redis.call('HSET', keys.call(call_id), 'lease', run.token, 'holder', run.process)
  elseif c.status ~= 'running' or c.lease ~= run.token then
    return
  end
  redis.call('ZREM', keys.due_calls(), call_id)
  processes.hold(run.process, 'call ' .. call_id .. ' ' .. run.token)
  return {lacks = '', is_sent = c.sent_with == run.token, secret = c.secret, asker = c.asker,
    elapsed_ms = clock.now_ms - c.started_at, call = calls.seen(call_id, c)}
end

-- What a queued call lacks to be run; nil if nothing. One for which nobody may wait is not wanted.
function runs.lacks(run, c)
  local is_wanted = c.sent_at or c.promised or clock.now_ms - c.waited_at <= run.unwaited_ms
  if not is_wanted then return 'wanting' end
  if calls.seen(run.call_id, c).paused_at then return 'resuming' end
  if c.share and not shares.lasts(run.call_id, c) then return 'share' end
  return runs.lacks_room(run, c)
end

-- Does it lack a turn or a place? Where there is room for it, it needs neither beforehand.
function runs.lacks_room(run, c)
  local slots, is_unlimited = keys.slots(c.server, c.workflow), c.rate_count == '0' or c.execution
  if is_unlimited and runs.has_room(run, c) then return end
  local may_go = is_unlimited or tonumber(c.sends_at or clock.now_ms + 1) <= clock.now_ms
  if not may_go or not redis.call('ZSCORE', slots, run.call_id) then return 'turn' end
  if run.places > 0 and not redis.call('ZSCORE', keys.placed(), run.call_id) then return 'place' end
end

-- Does nobody wait, and is there a turn and a place for one more? One worker's own places are some
-- of all.
function runs.has_room(run, c)
  return not runs.has_waiting(c)
    and redis.call('ZCARD', keys.slots(c.server, c.workflow)) < tonumber(c.concurrency)
    and (run.places == 0 or redis.call('ZCARD', keys.placed()) < run.places)
end

-- Begin an attempt. Slot and place end by themselves once it has surely ended.
function runs.start(run, c)
  local call_id, call = run.call_id, keys.call(run.call_id)
  local until_ms = clock.now_ms + c.timeout_ms + 60000
  redis.call('ZADD', keys.slots(c.server, c.workflow), until_ms, call_id)
  if run.places > 0 then places.give(call_id, c, until_ms) end
  if c.sends_at or c.rests_since then redis.call('HDEL', call, 'sends_at', 'rests_since') end
  c.status, c.attempt, c.started_at = 'running', c.attempt + 1, c.started_at or clock.now_ms
  if c.rests_since then c.started_at = c.started_at + clock.now_ms - c.rests_since end
  c.updated_at = clock.now_ms
  local details = {attempt = c.attempt, by = run.process}
  c.timeline = timeline.longer(call, c.timeline or '', 'started', details)
  local sent = run.sends and not c.execution and runs.mark_sent(call, c, run.token) or {}
  redis.call('HSET', call, 'status', c.status, 'attempt', c.attempt, 'started_at', c.started_at,
    'updated_at', c.updated_at, 'lease', run.token, 'holder', run.process, 'timeline', c.timeline,
    unpack(sent))
  if clock.now_ms - c.created_at > 1000 * c.ttl_s then
    redis.call('EXPIRE', call, calls.life_s(c.ttl_s, c.timeout_ms))
  end
end

-- Have a call say that bytes are about to leave; returns what is to be written beside its timeline.
function runs.mark_sent(call, c, token)
  c.sent_at, c.sent_with = c.sent_at or clock.now_ms, token
  c.timeline = timeline.longer(call, c.timeline or '', 'sent')
  return {'sent_at', c.sent_at, 'sent_with', token}
end

-- Record that bytes are about to leave. False, here and below: the lease was lost.
-- step runs.sent(call_id, token) -> bool
function runs.sent(call_id, token)
  local call, c = keys.call(call_id), runs.held(call_id, token)
  if not c then return false end
  if c.sent_with ~= token then
    local sent = runs.mark_sent(call, c, token)
    redis.call('HSET', call, 'timeline', c.timeline, unpack(sent))
  end
  return true
end

-- Record n8n's id of the run, so that another worker can follow it.
-- step runs.executes(call_id, token, execution) -> bool
function runs.executes(call_id, token, execution)
  local c = runs.held(call_id, token)
  if not c then return false end
  if c.execution ~= execution then
    timeline.add(keys.call(call_id), 'executing', {execution = execution})
  end
  redis.call('HSET', keys.call(call_id), 'execution', execution)
  return true
end

-- Let a call go on without a worker until it is concluded, or due again. It has no place meanwhile.
-- step runs.await_callback(call_id, token, delay_ms: number) -> {is_done: bool, others_wait: bool}
function runs.await_callback(call_id, token, delay_ms)
  local c = runs.held(call_id, token)
  if not c then return {} end
  runs.take_back(call_id, c)
  redis.call('HSET', keys.call(call_id), 'awaited_by', token)
  timeline.add(keys.call(call_id), 'awaiting')
  places.leave(call_id, c)
  redis.call('ZADD', keys.due_calls(), clock.now_ms + delay_ms, call_id)
  return {is_done = true, others_wait = runs.has_waiting(c)}
end

-- Name the calls that are due; they are due again after a while, unless they run by then. None that
-- waits for its approval is.
-- step runs.sweep(limit, again_ms: number) -> [text]
function runs.sweep(limit, again_ms)
  local due = clock.due(keys.due_calls(), limit)
  for _, call_id in ipairs(due) do
    local c = records.fields(keys.call(call_id), 'status', 'awaited_by', 'approval', 'approved_at')
    local is_queued = c.status == 'queued' and not approvals.bars(c)
    if is_queued or (c.status == 'running' and c.awaited_by) then
      redis.call('ZADD', keys.due_calls(), clock.now_ms + again_ms, call_id)
    else
      redis.call('ZREM', keys.due_calls(), call_id)
    end
  end
  return due
end

return runs
