-- Runs: a call in the hands of a worker, which holds its lease, and how the run ends.
local calls = require 'calls'
local clock = require 'clock'
local counters = require 'counters'
local keys = require 'keys'
local places = require 'places'
local processes = require 'processes'
local records = require 'records'
local signals = require 'signals'
local timeline = require 'timeline'
local turns = require 'turns'
local runs = {}

-- What the steps of a run decide by.
function runs.read(call_id)
  return records.fields(keys.call(call_id), 'status', 'lease', 'holder', 'attempt', 'max_attempts',
    'idempotent', 'sent_at', 'ttl_s', 'server', 'principal', 'workflow', 'created_at', 'attach',
    'attach_ms', 'attach_use', 'settled_with', 'execution', 'order', 'concurrency', 'failure')
end

-- The call, if a token is the lease under which it runs; nil for a worker that has lost it.
function runs.held(call_id, token)
  local c = runs.read(call_id)
  return c.status == 'running' and c.lease == token and c or nil
end

-- Give a call to a worker, which answers for it from here on.
function runs.give(call_id, token, process)
  redis.call('HSET', keys.call(call_id), 'lease', token, 'holder', process)
  redis.call('ZREM', keys.due_calls(), call_id)
  processes.hold(process, 'call ' .. call_id .. ' ' .. token)
end

-- Take a call from its worker, if it has one.
function runs.take_back(call_id, c)
  redis.call('HDEL', keys.call(call_id), 'lease', 'holder')
  if c.holder then
    redis.call('SREM', keys.held(c.holder), 'call ' .. call_id .. ' ' .. (c.lease or ''))
  end
end

-- Let others have the slot and the place of a call.
function runs.make_room(call_id, c)
  turns.leave(call_id, c)
  places.leave(call_id)
end

-- Let an equal call join this one for so long.
function runs.joinable_for(call_id, c, ms)
  for _, digest in ipairs({c.attach or '', c.attach_use or ''}) do
    if digest ~= '' and redis.call('GET', keys.attach(digest)) == call_id then
      redis.call('PEXPIRE', keys.attach(digest), ms)
    end
  end
end

-- End a call for good; `blame` says whose fault a failure is.
function runs.finish(call_id, c, status, failure, blame)
  local call = keys.call(call_id)
  redis.call('HSET', call, 'status', status, 'failure', failure, 'blame', blame,
    'finished_at', clock.now_ms, 'updated_at', clock.now_ms)
  redis.call('EXPIRE', call, 2 * c.ttl_s)
  redis.call('ZREM', keys.due_calls(), call_id)
  runs.joinable_for(call_id, c, c.attach_ms)
  runs.make_room(call_id, c)
  counters.add(1, 'calls', c.server, c.workflow, status)
  counters.add(clock.now_ms - c.created_at, 'call_ms', c.server, c.workflow)
  timeline.add(call, status, {reason = failure})
  signals.notify('call:' .. call_id)
end

-- Queue a call again.
function runs.requeue(call_id, c, delay_ms)
  redis.call('HSET', keys.call(call_id), 'status', 'queued', 'updated_at', clock.now_ms)
  redis.call('ZADD', keys.due_calls(), clock.now_ms + delay_ms, call_id)
  runs.make_room(call_id, c)
  signals.notify('call:' .. call_id)
end

-- Take a queued call to run it, or one that waits for a callback to look after it.
-- step runs.lease(run: {call_id, token, process, unwaited_ms: number, look_again_ms: number,
--   places: number}) -> {elapsed_ms, secret, call: calls.find}?
function runs.lease(run)
  local call_id, c = run.call_id, runs.read(run.call_id)
  if run.places > 0 then places.announce(run.process, run.places) end
  local w = records.fields(keys.call(call_id), 'waited_at', 'promised', 'timeout_ms', 'awaited_by')
  if c.status == 'queued' then
    local is_wanted = c.sent_at or w.promised or clock.now_ms - w.waited_at <= run.unwaited_ms
    if not is_wanted then return runs.drop(call_id, c) end
    local due_ms = runs.obstacle_ms(run, c)
    if due_ms then
      redis.call('ZADD', keys.due_calls(), clock.now_ms + due_ms, call_id)
      return
    end
    runs.start(run, c, w.timeout_ms + 60000)
  elseif c.status == 'running' and not c.lease and w.awaited_by then
    runs.give(call_id, run.token, run.process)
  elseif c.status ~= 'running' or c.lease ~= run.token then
    return
  end
  local r = records.fields(keys.call(call_id), 'started_at', 'secret')
  return {elapsed_ms = clock.now_ms - r.started_at, secret = r.secret, call = calls.find(call_id)}
end

-- Cancel a call that nobody waits for and that was never sent; an equal one runs anew.
function runs.drop(call_id, c)
  local reason = 'nobody waited for it any more, so it was never sent'
  runs.finish(call_id, c, 'cancelled', reason, '')
  runs.joinable_for(call_id, c, 0)
end

-- In how many milliseconds to look again at a call that cannot run now; nil if it can. It is looked
-- at the later the longer its line is, for it is woken when its turn comes.
function runs.obstacle_ms(run, c)
  local call_id = run.call_id
  if not turns.has_slot(call_id, c) then
    local rank = redis.call('ZRANK', keys.turns(c.server, c.workflow), call_id)
    return run.look_again_ms + 100 * rank
  end
  local waits_ms = turns.waits_ms(call_id, c)
  if waits_ms > 0 then
    places.leave(call_id)
    turns.keep(call_id, c, waits_ms + turns.KEPT_MS)
    return waits_ms
  end
  if run.places == 0 or places.has(call_id, c.server, c.principal) then return end
  turns.keep(call_id, c, 600000)
  return run.look_again_ms + 100 * redis.call('ZRANK', keys.placeless(c.server), call_id)
end

-- Begin an attempt. Slot and place end by themselves after `most_ms`, when it has surely ended.
function runs.start(run, c, most_ms)
  local call_id, call = run.call_id, keys.call(run.call_id)
  if run.places > 0 then places.give(call_id, clock.now_ms + most_ms) end
  turns.keep(call_id, c, most_ms)
  redis.call('HDEL', call, 'sends_at')
  redis.call('HSET', call, 'status', 'running', 'updated_at', clock.now_ms)
  redis.call('HSETNX', call, 'started_at', clock.now_ms)
  local attempt = redis.call('HINCRBY', call, 'attempt', 1)
  timeline.add(call, 'started', {attempt = attempt, by = run.process})
  redis.call('EXPIRE', call, 2 * c.ttl_s)
  runs.give(call_id, run.token, run.process)
end

-- Record that bytes are about to leave. False, here and below: the lease was lost.
-- step runs.sent(call_id, token) -> bool
function runs.sent(call_id, token)
  local call = keys.call(call_id)
  if not runs.held(call_id, token) then return false end
  redis.call('HSETNX', call, 'sent_at', clock.now_ms)
  if redis.call('HGET', call, 'sent_with') ~= token then
    redis.call('HSET', call, 'sent_with', token)
    timeline.add(call, 'sent')
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

-- Let a call go on without a worker until it is concluded, or due again.
-- step runs.await_callback(call_id, token, delay_ms: number) -> bool
function runs.await_callback(call_id, token, delay_ms)
  local c = runs.held(call_id, token)
  if not c then return false end
  runs.take_back(call_id, c)
  redis.call('HSET', keys.call(call_id), 'awaited_by', token)
  timeline.add(keys.call(call_id), 'awaiting')
  places.leave(call_id)
  redis.call('ZADD', keys.due_calls(), clock.now_ms + delay_ms, call_id)
  return true
end

-- Name the calls that are due; they are due again after a while, unless they run by then.
-- step runs.sweep(limit, again_ms: number) -> [text]
function runs.sweep(limit, again_ms)
  local due = clock.due(keys.due_calls(), limit)
  for _, call_id in ipairs(due) do
    local c = records.fields(keys.call(call_id), 'status', 'awaited_by')
    if c.status == 'queued' or (c.status == 'running' and c.awaited_by) then
      redis.call('ZADD', keys.due_calls(), clock.now_ms + again_ms, call_id)
    else
      redis.call('ZREM', keys.due_calls(), call_id)
    end
  end
  return due
end

return runs
